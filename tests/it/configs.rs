//! Specs that are shipped can be run.

use crate::harness::{Ended, Scene, listing, repository};

#[test]
fn every_shipped_spec_can_be_planned() {
    let scene = Scene::new();
    let mut planned = 0;
    for folder in ["configs", "experiments"] {
        for name in listing(&repository(folder)).iter().filter(|name| name.ends_with(".toml")) {
            let spec = repository(folder).join(name);
            let mut command = scene.command("xdlreg-run");
            let ended = Ended::of(command.arg("plan").arg(&spec).args(["--set", "run.device=cpu"])).succeeds();
            assert!(ended.stdout.contains(" train, "), "{name}: {}", ended.stdout);
            planned += 1;
        }
    }
    assert!(planned >= 2, "{planned} specs were planned");
    assert_eq!(scene.listing("."), [""; 0]);
}
