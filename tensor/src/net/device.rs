//! Where tensors are computed. CUDA is loaded when the worker starts, from a libtorch that has it.
//!
//! The worker is linked against the CPU's libtorch. For CUDA it starts itself again with a whole libtorch 2.11 that has
//! CUDA in front of the library search path, so that all libraries come from one installation, and loads
//! `libtorch_cuda` before CUDA is asked for the first time.
//!
//! By default cuDNN rounds the factors of convolutions to 10 bits (TF32) and may add gradients up in any order: maps then
//! differ from the CPU's by 4e-3 of their maximum, and no two trainings are the same. Both are switched off.

use std::env;
use std::ffi::{OsString, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xdlreg_core::device::Device;
use xdlreg_core::machine;
use xdlreg_core::stage::Compute;

/// Set in a worker that was started again, to the folder whose libraries it runs with.
const RESTARTED: &str = "XDLREG_RESTARTED_WITH";
/// Names a folder with libtorch_cuda.so, before all others.
const OVERRIDE: &str = "XDLREG_CUDA_LIBTORCH";
const CUDA_LIBRARY: &str = "libtorch_cuda.so";
const VERSION: &str = "2.11.";
/// What NVIDIA's libraries read when they are loaded: no TF32 anywhere, and workspaces of cuBLAS with which products are
/// repeatable (cuBLAS documentation, "Results reproducibility").
const EXACT: [(&str, &str); 2] = [("NVIDIA_TF32_OVERRIDE", "0"), ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")];

/// The device of a plan.
pub fn of(compute: Compute) -> tch::Device {
    match compute {
        Compute::Cpu => tch::Device::Cpu,
        Compute::Cuda(index) => tch::Device::Cuda(index),
    }
}

/// How many devices of a kind there are.
pub fn count(compute: Compute) -> usize {
    match compute {
        Compute::Cpu => 1,
        Compute::Cuda(_) => usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
    }
}

/// Makes the device ready that was asked for; to be called before anything else of libtorch. With "auto" and without
/// CUDA it is the CPU, and a line says why.
///
/// # Errors
/// A line that says why CUDA cannot be used, where it was asked for.
pub fn prepare(device: Device) -> Result<(Compute, Option<String>), String> {
    let (index, required) = match device {
        Device::Cpu => return Ok((Compute::Cpu, None)),
        Device::Auto => (0, false),
        Device::Cuda(index) => (index, true),
    };
    match load_cuda(index) {
        Ok(()) => Ok((Compute::Cuda(index), None)),
        Err(reason) if required => Err(reason),
        Err(reason) => Ok((Compute::Cpu, Some(format!("{reason}: computing on the CPU")))),
    }
}

fn load_cuda(index: usize) -> Result<(), String> {
    if !machine::has_nvidia_driver() {
        return Err("no NVIDIA driver on this machine".into());
    }
    let Some(folder) = env::var_os(RESTARTED).map(PathBuf::from) else {
        return restart(&find_libtorch()?);
    };
    let library = folder.join(CUDA_LIBRARY);
    open_globally(&library).map_err(|error| format!("{} cannot be loaded: {error}", library.display()))?;
    choose_repeatable_kernels().map_err(|error| format!("cuDNN cannot be made deterministic: {error}"))?;
    let count = tch::Cuda::device_count();
    match usize::try_from(count) {
        Ok(count) if index < count => Ok(()),
        Ok(count) if count > 0 => Err(format!("there is no CUDA device {index}: libtorch sees {count}")),
        _ => Err(format!("{} finds no CUDA device that it can use", library.display())),
    }
}

/// Loads a library for the whole process, and keeps it.
#[cfg(unix)]
fn open_globally(path: &Path) -> Result<(), libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library is libtorch's own, of the version that this program is linked against; what it does when it
    // is loaded is to register its kernels.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL)? };
    std::mem::forget(library);
    Ok(())
}

/// Has cuDNN choose only among algorithms that give the same bits every time: `torch.backends.cudnn.deterministic`, which
/// tch does not offer.
#[cfg(unix)]
fn choose_repeatable_kernels() -> Result<(), libloading::Error> {
    use libloading::os::unix::{Library, Symbol};
    let own = Library::this();
    // SAFETY: the names are those of `at::Context& at::globalContext()` and `void at::Context::setDeterministicCuDNN(bool)`
    // in the libtorch that this program is linked against, whose calling convention is that of C functions which take the
    // object first. The context lives as long as the process.
    unsafe {
        let context: Symbol<unsafe extern "C" fn() -> *mut c_void> = own.get(b"_ZN2at13globalContextEv\0")?;
        let set: Symbol<unsafe extern "C" fn(*mut c_void, bool)> =
            own.get(b"_ZN2at7Context21setDeterministicCuDNNEb\0")?;
        set(context(), true);
    }
    Ok(())
}

/// Starts this program again, in place, with the libraries of `folder` before all others. Returns only if it fails.
#[cfg(unix)]
fn restart(folder: &Path) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let path = [Some(folder.into()), env::var_os("LD_LIBRARY_PATH")].into_iter().flatten().collect::<Vec<OsString>>();
    let path = env::join_paths(path.iter().flat_map(env::split_paths)).map_err(|error| error.to_string())?;
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let error = Command::new(own)
        .args(env::args_os().skip(1))
        .env("LD_LIBRARY_PATH", path)
        .env(RESTARTED, folder)
        .envs(EXACT)
        .exec();
    Err(format!("the worker cannot start again with {}: {error}", folder.display()))
}

/// The `lib` folder of a libtorch 2.11 with CUDA.
fn find_libtorch() -> Result<PathBuf, String> {
    let mut refused = Vec::new();
    for (place, folder) in places() {
        if !folder.join(CUDA_LIBRARY).exists() {
            refused.push(format!("{place}: no {CUDA_LIBRARY}"));
            continue;
        }
        match version(&folder) {
            Some(version) if version.starts_with(VERSION) => return Ok(folder),
            Some(version) => refused.push(format!("{place}: version {version} instead of {VERSION}x")),
            None => refused.push(format!("{place}: unknown version")),
        }
    }
    let looked = if refused.is_empty() { "nowhere to look".to_owned() } else { refused.join("; ") };
    Err(format!(
        "no libtorch {VERSION}x with CUDA ({looked}): install PyTorch {VERSION}x, run `make setup \
         LIBTORCH_FLAVOUR=cuda`, or name its lib folder in {OVERRIDE}"
    ))
}

/// Where a libtorch with CUDA may be, and what the place is called, the most deliberate choice first.
fn places() -> Vec<(String, PathBuf)> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut places = Vec::new();
    if let Some(folder) = variable(OVERRIDE) {
        places.push((OVERRIDE.to_owned(), folder));
    }
    if let Some(folder) = variable("LIBTORCH") {
        places.push(("LIBTORCH".to_owned(), folder.join("lib")));
    }
    let cache = variable("XDLREG_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("xdlreg")))
        .or_else(|| Some(variable("HOME")?.join(".cache/xdlreg")));
    if let Some(cache) = cache {
        places.push(("the cache".to_owned(), cache.join("libtorch/2.11.0-cuda/torch/lib")));
    }
    if let Some(package) = python_torch() {
        places.push((format!("Python's {}", package.display()), package.join("lib")));
    }
    places
}

/// The folder of the package `torch` that `python3` would import. It is not imported.
fn python_torch() -> Option<PathBuf> {
    let script =
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !path.is_empty()).then(|| path.into())
}

/// The version of the libtorch around a `lib` folder.
fn version(lib: &Path) -> Option<String> {
    let root = lib.parent()?;
    if let Ok(version) = fs::read_to_string(root.join("build-version")) {
        return Some(version.trim().to_owned());
    }
    let python = fs::read_to_string(root.join("version.py")).ok()?;
    let line = python.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_libtorch_and_from_pytorch() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("lib");
        assert_eq!(version(&lib), None);
        fs::write(folder.path().join("version.py"), "from typing import Optional\n__version__ = '2.11.0+cu130'\n")
            .unwrap();
        assert_eq!(version(&lib).as_deref(), Some("2.11.0+cu130"));
        fs::write(folder.path().join("build-version"), "2.11.0\n").unwrap();
        assert_eq!(version(&lib).as_deref(), Some("2.11.0"));
    }

    /// The names are of libtorch 2.11; another version may have others, which should be noticed without a GPU.
    #[test]
    fn libtorch_can_be_made_deterministic() {
        choose_repeatable_kernels().expect("libtorch has these functions");
    }

    #[test]
    fn without_cuda_auto_is_the_cpu_and_an_explicit_wish_is_refused() {
        if machine::has_nvidia_driver() {
            return;
        }
        let (compute, note) = prepare(Device::Auto).unwrap();
        assert_eq!(compute, Compute::Cpu);
        assert!(note.unwrap().contains("no NVIDIA driver"));
        assert!(prepare(Device::Cuda(0)).unwrap_err().contains("no NVIDIA driver"));
        assert_eq!(prepare(Device::Cpu).unwrap(), (Compute::Cpu, None));
    }
}
