//! Facts about this machine and this process.

use std::fs;

/// The name of this machine.
pub fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map_or_else(|| "unknown".into(), |name| name.trim().to_owned())
}

/// How many cores this process may use: affinity and control group respected.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name.
pub fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The largest resident memory of this process so far, in bytes; 0 where the system does not tell.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Starts [`peak_memory_bytes`] anew from what is resident now, where the system can.
pub fn forget_peak_memory() {
    // Where it cannot, the peak covers all that the process did before, too.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Whether the process of this number has ended, be it still listed; false where the system does not tell.
pub fn has_ended(process: &str) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        // The state follows the name in brackets; Z is a process that waits to be forgotten.
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')),
        Err(_) => fs::exists("/proc/self").unwrap_or(false),
    }
}

/// Whether an NVIDIA driver is present, so that looking for CUDA is worth while.
pub fn has_nvidia_driver() -> bool {
    ["/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"].iter().any(|path| fs::exists(path).unwrap_or(false))
}
