//! Where workers compute: as many as the devices and cores allow, without two of them on one core or GPU.

use super::worker::WorkerPlace;
use crate::device::Device;
use crate::machine;
use crate::spec::{RunSettings, Workers};

/// The places of the workers, at least one. On a CPU it is a worker for every `threads_per_worker` cores, on GPUs one for
/// each of them, unless told otherwise. With the places comes a line for the user where fewer fit than were asked for.
pub fn places(devices: &[Device], settings: &RunSettings, jobs: Option<usize>) -> (Vec<WorkerPlace>, Option<String>) {
    let cores = machine::cores();
    let fit = (cores / settings.threads_per_worker).max(1);
    let on_cpu = devices.contains(&Device::Cpu);
    let wanted = match (jobs, settings.workers) {
        (Some(jobs), _) => jobs,
        (None, Workers::Count(count)) => count,
        (None, Workers::Auto) if on_cpu => fit,
        (None, Workers::Auto) => devices.len(),
    };
    let count = wanted.min(fit);
    let note = (wanted > fit).then(|| {
        let threads = settings.threads_per_worker;
        format!("{count} workers instead of {wanted}: this process may use {cores} cores, and each takes {threads}")
    });
    let threads = (cores / count).max(settings.threads_per_worker);
    let allowed = machine::allowed_cores();
    // Workers that share the machine with other programs are left to the system, which knows where there is room.
    let whole = allowed.len() == cores && count * threads == cores;
    let place = |index: usize| WorkerPlace {
        device: devices[index % devices.len()],
        threads,
        cores: if whole { allowed[index * threads..][..threads].to_vec() } else { Vec::new() },
    };
    ((0..count).map(place).collect(), note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(workers: Workers, threads_per_worker: usize) -> RunSettings {
        RunSettings { workers, threads_per_worker, ..RunSettings::default() }
    }

    #[test]
    fn cores_are_never_oversubscribed() {
        let cores = machine::cores();
        for threads in [1, 2, cores] {
            for workers in [Workers::Auto, Workers::Count(1), Workers::Count(1000)] {
                let (places, note) = places(&[Device::Cpu], &settings(workers, threads), None);
                assert!(!places.is_empty());
                assert!(places.len() == 1 || places.iter().map(|place| place.threads).sum::<usize>() <= cores);
                assert_eq!(note.is_some(), workers == Workers::Count(1000));
                let mut taken: Vec<usize> = places.iter().flat_map(|place| place.cores.clone()).collect();
                taken.sort_unstable();
                assert!(taken.windows(2).all(|pair| pair[0] < pair[1]), "two workers share a core: {places:?}");
            }
        }
    }

    #[test]
    fn every_gpu_has_one_worker_unless_told_otherwise() {
        let gpus = [Device::Cuda(0), Device::Cuda(1)];
        let devices = |jobs| {
            let (places, _) = places(&gpus, &settings(Workers::Auto, 1), jobs);
            places.into_iter().map(|place| place.device).collect::<Vec<_>>()
        };
        let fit = machine::cores();
        assert_eq!(devices(None), gpus[..2.min(fit)]);
        assert_eq!(devices(Some(4)), [gpus[0], gpus[1], gpus[0], gpus[1]][..4.min(fit)]);
    }
}
