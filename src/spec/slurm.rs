//! `[run.slurm]`: what jobs ask of Slurm. The words are Slurm's own and are passed on as they are.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::Invalid;
use crate::settings::number::{Bound, count, number};

/// How many trainings or explanations a job does: "auto" or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TasksPerJob {
    /// So many that a job takes some minutes, as long as that leaves jobs for all nodes.
    Auto,
    Count(usize),
}

impl Serialize for TasksPerJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u64(*count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for TasksPerJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TasksPerJob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a number of tasks")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TasksPerJob, E> {
                match text {
                    "auto" => Ok(TasksPerJob::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<TasksPerJob, E> {
                Ok(TasksPerJob::Count(count as usize))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<TasksPerJob, E> {
                u64::try_from(count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
                    .and_then(|count| self.visit_u64(count))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TasksPerJob {
    fn schema_name() -> Cow<'static, str> {
        "TasksPerJob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1 }] })
    }
}

/// `[run.slurm]`: jobs of `run.executor = "slurm"`. What is left out is what the cluster gives by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSettings {
    /// The partition, such as "short"; several may be listed with commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The account to charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The time limit of a job, such as "2:00:00", "1-12" (a day and a half) or "90" (minutes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Memory of a job, such as "4G".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<String>,
    /// Cores of a job. A job has one worker for every `run.threads_per_worker` cores.
    pub cpus: usize,
    /// Generic resources, such as "gpu:1".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// Features that a node must have, such as "avx512".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Shell commands with which a job starts, such as "module load gcc".
    pub setup: Vec<String>,
    /// Further options of sbatch, such as "--qos=normal".
    pub extra: Vec<String>,
    /// How many trainings (or explanations, if several share a training) one job carries out: "auto" or a number.
    pub tasks_per_job: TasksPerJob,
    /// How many jobs of an array run at the same time. 0 means no limit.
    pub max_parallel: usize,
    /// Factor by which the requested memory grows after a job ran out of memory.
    pub mem_growth: f64,
    /// How often a job requeues itself when it reaches its time limit or is preempted.
    pub requeues: usize,
    /// How many seconds before the time limit a job is told to save its progress.
    pub warning: usize,
}

impl Default for SlurmSettings {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            time: None,
            mem: None,
            cpus: 1,
            gres: None,
            constraint: None,
            setup: Vec::new(),
            extra: Vec::new(),
            tasks_per_job: TasksPerJob::Auto,
            max_parallel: 0,
            mem_growth: 1.5,
            requeues: 10,
            warning: 180,
        }
    }
}

/// Slurm's largest signal time.
const LONGEST_WARNING: usize = 65_535;

impl SlurmSettings {
    /// Seconds of the time limit, where one is set.
    pub fn seconds(&self) -> Option<u64> {
        self.time.as_deref().and_then(seconds)
    }

    /// Memory in megabytes, where it is set.
    pub fn megabytes(&self) -> Option<u64> {
        self.mem.as_deref().and_then(megabytes)
    }

    pub fn validate(&self) -> Vec<Invalid> {
        let words = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("time", &self.time),
            ("mem", &self.mem),
            ("gres", &self.gres),
            ("constraint", &self.constraint),
        ];
        let words = words.into_iter().filter_map(|(key, word)| {
            let word = word.as_deref()?;
            let foreign =
                word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control() || "'\"\\".contains(c));
            let message = format!("run.slurm.{key} must be one word, got {:?}", crate::shown::shown(word));
            foreign.then(|| Invalid::new(format!("run.slurm.{key}"), message, "write it as after the option of sbatch"))
        });
        let time = self.time.as_deref().filter(|time| seconds(time).is_none_or(|seconds| seconds == 0)).map(|time| {
            let message = format!("run.slurm.time is not a time limit: {:?}", crate::shown::shown(time));
            Invalid::new(
                "run.slurm.time",
                message,
                "write hours:minutes:seconds, days-hours, or minutes, such as \"2:00:00\"",
            )
        });
        let mem = self.mem.as_deref().filter(|mem| megabytes(mem).is_none_or(|megabytes| megabytes == 0)).map(|mem| {
            let message = format!("run.slurm.mem is not an amount of memory: {:?}", crate::shown::shown(mem));
            Invalid::new("run.slurm.mem", message, "write a number with K, M, G or T, such as \"4G\"")
        });
        let lines = |key: &str, lines: &[String]| {
            let broken = lines.iter().any(|line| line.contains(['\n', '\r', '\0']));
            let message = format!("run.slurm.{key} must be a list of single lines");
            broken
                .then(|| Invalid::new(format!("run.slurm.{key}"), message, "write each line as an element of its own"))
        };
        let options = self.extra.iter().find(|option| !option.starts_with('-')).map(|option| {
            let message = format!("run.slurm.extra must hold options of sbatch, got {:?}", crate::shown::shown(option));
            Invalid::new("run.slurm.extra", message, "write options with their dashes, such as \"--qos=normal\"")
        });
        let tasks = match self.tasks_per_job {
            TasksPerJob::Auto => None,
            TasksPerJob::Count(tasks) => count("run.slurm.tasks_per_job", tasks, 1..=usize::MAX),
        };
        let (setup, extra) = (lines("setup", &self.setup), lines("extra", &self.extra));
        words
            .chain(time)
            .chain(mem)
            .chain([setup, extra, options, tasks].into_iter().flatten())
            .chain(count("run.slurm.cpus", self.cpus, 1..=4096))
            .chain(count("run.slurm.max_parallel", self.max_parallel, 0..=1_000_000))
            .chain(count("run.slurm.requeues", self.requeues, 0..=10_000))
            .chain(count("run.slurm.warning", self.warning, 0..=LONGEST_WARNING))
            .chain(number("run.slurm.mem_growth", self.mem_growth, Bound::From(1.0, 16.0)))
            .collect()
    }
}

/// Seconds of a time limit in one of Slurm's forms.
fn seconds(time: &str) -> Option<u64> {
    let whole = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (days, clock) = match time.split_once('-') {
        Some((days, clock)) => (Some(whole(days)?), clock),
        None => (None, time),
    };
    let parts: Vec<u64> = clock.split(':').map(whole).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, &parts[..]) {
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let scaled = |value: u64, unit: u64| value.checked_mul(unit);
    scaled(days.unwrap_or(0), 86_400)?
        .checked_add(scaled(hours, 3600)?)?
        .checked_add(scaled(minutes, 60)?)?
        .checked_add(seconds)
}

/// Megabytes of an amount of memory in Slurm's form, without a unit in megabytes.
fn megabytes(mem: &str) -> Option<u64> {
    let digits = mem.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    match &mem[digits.len()..] {
        "K" | "k" => Some(number.div_ceil(1024)),
        "" | "M" | "m" => Some(number),
        "G" | "g" => number.checked_mul(1024),
        "T" | "t" => number.checked_mul(1024 * 1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_are_read_as_slurm_reads_them() {
        let times = ["90", "1:30", "2:00:00", "1-12", "1-0:30", "1-00:00:05"].map(|time| seconds(time).unwrap());
        assert_eq!(times, [5400, 90, 7200, 129_600, 88_200, 86_405]);
        assert!(
            ["", "-1", "1h", "1:2:3:4", "1-", "+5", "1-2-3", "99999999999999999999"]
                .iter()
                .all(|time| seconds(time).is_none())
        );
        let sizes = ["4G", "512", "300M", "1T", "2048K"].map(|size| megabytes(size).unwrap());
        assert_eq!(sizes, [4096, 512, 300, 1_048_576, 2]);
        assert!(["", "G", "4GB", "-4G", "4.5G"].iter().all(|size| megabytes(size).is_none()));
    }

    #[test]
    fn what_slurm_could_not_take_is_refused_with_its_key() {
        let refused = |change: fn(&mut SlurmSettings)| {
            let mut settings = SlurmSettings::default();
            change(&mut settings);
            settings.validate().into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
        };
        assert!(refused(|_| ()).is_empty());
        assert_eq!(refused(|slurm| slurm.partition = Some("a b".into())), ["run.slurm.partition"]);
        assert_eq!(refused(|slurm| slurm.time = Some("soon".into())), ["run.slurm.time"]);
        assert_eq!(refused(|slurm| slurm.mem = Some("much".into())), ["run.slurm.mem"]);
        assert_eq!(refused(|slurm| slurm.setup = vec!["a\nb".into()]), ["run.slurm.setup"]);
        assert_eq!(refused(|slurm| slurm.extra = vec!["qos=a".into()]), ["run.slurm.extra"]);
        assert_eq!(refused(|slurm| slurm.cpus = 0), ["run.slurm.cpus"]);
        assert_eq!(refused(|slurm| slurm.mem_growth = 0.5), ["run.slurm.mem_growth"]);
    }
}
