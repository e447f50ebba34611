//! `[run]`: where and how the work is done. Results differ by rounding at most: between CPU and CUDA, and with the
//! threads of a training.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::slurm::SlurmSettings;
use crate::device::Device;
use crate::net::EngineChoice;
use crate::settings::Invalid;
use crate::settings::number::count;

/// How many worker processes run at once: "auto" or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// As many as the cores that this process may use allow.
    Auto,
    Count(usize),
}

impl Serialize for Workers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u64(*count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Workers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a number of workers")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Workers, E> {
                match text {
                    "auto" => Ok(Workers::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Workers, E> {
                Ok(Workers::Count(count as usize))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Workers, E> {
                u64::try_from(count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
                    .and_then(|count| self.visit_u64(count))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Workers {
    fn schema_name() -> Cow<'static, str> {
        "Workers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1 }] })
    }
}

/// What carries out the tasks of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutorChoice {
    /// As processes on this machine.
    Local,
    /// As jobs of a Slurm cluster.
    Slurm,
}

/// `[run]`: the execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// "auto" (CUDA if it is available, otherwise the CPU), "cpu", "cuda" or "cuda:N".
    pub device: Device,
    /// Number of worker processes: "auto" (as many as cores allow) or a number.
    pub workers: Workers,
    /// How workers are started: "local" (on this machine) or "slurm".
    pub executor: ExecutorChoice,
    /// What jobs request from Slurm, with `executor = "slurm"`.
    pub slurm: SlurmSettings,
    /// What computes networks: "auto" (this program's own kernels if they support the network and the processor,
    /// otherwise libtorch) or "libtorch".
    pub engine: EngineChoice,
    /// Number of threads that each worker uses.
    pub threads_per_worker: usize,
    /// How often a stage is tried again after its worker died or hung.
    pub retries: usize,
    /// Seconds without a sign of life after which a stage counts as hanging. 0 waits forever.
    pub timeout: u64,
    /// Whether to stop at the first failure instead of finishing the other runs.
    pub fail_fast: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            device: Device::Auto,
            workers: Workers::Auto,
            executor: ExecutorChoice::Local,
            slurm: SlurmSettings::default(),
            engine: EngineChoice::Auto,
            threads_per_worker: 1,
            retries: 1,
            timeout: 0,
            fail_fast: false,
        }
    }
}

/// A worker with more threads than this would exhaust the system before it began.
const MOST_THREADS: usize = 1024;

impl RunSettings {
    /// After how long without a sign of life a stage counts as hanging; zero waits for ever.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub fn validate(&self) -> Vec<Invalid> {
        let workers = match self.workers {
            Workers::Auto => None,
            Workers::Count(workers) => count("run.workers", workers, 1..=usize::MAX),
        };
        let threads = count("run.threads_per_worker", self.threads_per_worker, 1..=MOST_THREADS);
        workers.into_iter().chain(threads).chain(self.slurm.validate()).collect()
    }
}
