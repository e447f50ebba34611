//! Facts about this machine and this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of this machine.
pub fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map_or_else(|| "unknown".into(), |name| name.trim().to_owned())
}

/// What tells this running system, and what it calls its processes, from all others; nothing where it does not tell.
pub fn system() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let names = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), names.display()))
}

/// When a process of this system began, in its own count; nothing of one that has ended.
pub fn began(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before may hold anything, brackets and spaces included.
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if ["Z", "X", "x"].contains(&state) { None } else { fields.nth(18)?.parse().ok() }
}

/// How many cores this process may use: affinity and control group respected.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The numbers of the cores that this process may run on; empty where the system does not tell.
#[cfg(target_os = "linux")]
pub fn allowed_cores() -> Vec<usize> {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return Vec::new() };
    (0..nix::sched::CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect()
}

/// The numbers of the cores that this process may run on; empty where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn allowed_cores() -> Vec<usize> {
    Vec::new()
}

/// Keeps this thread, and all that it starts from now on, on some cores; without any, where they are.
#[cfg(target_os = "linux")]
pub fn stay_on(cores: &[usize]) -> std::io::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = nix::sched::CpuSet::new();
    for &core in cores {
        set.set(core)?;
    }
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?)
}

/// Keeps this thread, and all that it starts from now on, on some cores, where the system can.
#[cfg(not(target_os = "linux"))]
pub fn stay_on(_: &[usize]) -> std::io::Result<()> {
    Ok(())
}

/// Processor time that this process has used, all its threads together; zero where the system does not tell.
#[cfg(unix)]
pub fn processor_time() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let microseconds = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0)
    };
    Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time()))
}

/// Processor time that this process has used; the system does not tell.
#[cfg(not(unix))]
pub fn processor_time() -> Duration {
    Duration::ZERO
}

/// The processor's name.
pub fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The memory in bytes that this process can still take without swapping; nothing where the system does not tell. The
/// least counts of what the machine has free, what control groups leave, and what `ulimit -v` allows.
pub fn available_memory() -> Option<u64> {
    let free = field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable:");
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let mapped = field(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmSize:").unwrap_or(0);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let grouped = groups.lines().filter_map(|line| left_by_group(line, Path::new("/sys/fs/cgroup"))).min();
    [free, grouped, address_space(&limits).map(|limit| limit.saturating_sub(mapped))].into_iter().flatten().min()
}

/// The value in bytes of a line such as "MemAvailable:  23920664 kB".
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The soft limit of "Max address space" in the text of `/proc/self/limits`.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the control groups of a line of `/proc/self/cgroup` leave: of the second version ("0::/a/b") or the first
/// ("4:memory:/a/b"). The limits of all groups above count as well, and what is cached from files can be taken back.
fn left_by_group(line: &str, root: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, limit, usage, cached) = match controllers {
        "" if number == "0" => (root.to_owned(), "memory.max", "memory.current", "inactive_file"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        }
        _ => return None,
    };
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let number = |path: PathBuf| read(path)?.trim().parse::<u64>().ok();
    let left = |group: &Path| {
        let limit = number(group.join(limit))?;
        let statistics = read(group.join("memory.stat")).unwrap_or_default();
        let cached = statistics.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse().ok()).unwrap_or(0);
        Some(limit.saturating_sub(number(group.join(usage))?.saturating_sub(cached)))
    };
    let own = root.join(group.trim_start_matches('/'));
    // Inside a container its own group may be mounted as the root.
    own.ancestors().take_while(|group| group.starts_with(&root)).filter_map(left).min()
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

/// Whether an NVIDIA driver is present, so that looking for CUDA is worth while.
pub fn has_nvidia_driver() -> bool {
    ["/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"].iter().any(|path| fs::exists(path).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_machine_is_known_on_linux() {
        if cfg!(target_os = "linux") {
            assert!(available_memory().expect("a number") > 0);
        }
        assert_eq!(field("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2048 * 1024));
        assert_eq!(address_space("Max address space         1048576    unlimited   bytes"), Some(1_048_576));
        assert_eq!(address_space("Max address space         unlimited  unlimited   bytes"), None);
    }

    #[test]
    fn the_tightest_control_group_counts_and_what_is_cached_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let left = |line: &str| left_by_group(line, folder.path());
        assert_eq!(left("0::/outer/inner"), None);
        write("outer/memory.max", "1000\n");
        write("outer/memory.current", "700\n");
        write("outer/memory.stat", "anon 5\ninactive_file 100\n");
        write("outer/inner/memory.max", "max\n");
        write("outer/inner/memory.current", "10\n");
        assert_eq!(left("0::/outer/inner"), Some(400));
        write("outer/inner/memory.max", "300\n");
        assert_eq!(left("0::/outer/inner"), Some(290));
        write("memory/a/memory.limit_in_bytes", "5000\n");
        write("memory/a/memory.usage_in_bytes", "6000\n");
        write("memory/a/memory.stat", "total_inactive_file 1500\n");
        assert_eq!((left("4:memory:/a"), left("3:cpu,memory:/a"), left("2:cpu:/a")), (Some(500), Some(500), None));
    }
}
