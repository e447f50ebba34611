//! `xdlreg-run simulate`: pumpkins for NumPy.

use super::SimulateArgs;
use super::files::{publish, unwritable};
use crate::error::{EXIT_OK, Error, Result};
use crate::event::silent;
use crate::sim::{DataSettings, SimulateError, simulate, simulate_ages};
use crate::store::dataset;

pub fn run(args: &SimulateArgs) -> Result<u8> {
    let n = args.n as usize;
    let drawn = if args.age.is_empty() {
        let settings = DataSettings {
            n_samples: n,
            distribution: args.distribution,
            target_bias: args.target_bias,
            growth_mode: args.growth_mode,
            seed: args.seed,
            ..DataSettings::default()
        };
        simulate(&settings, &silent)
    } else {
        let ages: Vec<u32> = args.age.iter().flat_map(|&age| std::iter::repeat_n(age, n)).collect();
        simulate_ages(&ages, args.growth_mode, args.seed, &silent)
    };
    let drawn = drawn.map_err(refused)?;
    publish(&args.out, |path| dataset::save(&drawn, path).map_err(|error| unwritable(path, &error)))?;
    println!("{} pumpkins in {}", drawn.len(), args.out.display());
    Ok(EXIT_OK)
}

fn refused(error: SimulateError) -> Error {
    match error {
        SimulateError::Settings(mut problems) if !problems.is_empty() => {
            let first = problems.swap_remove(0);
            Error::usage(first.message, first.help)
        }
        other => Error::Usage { message: other.to_string(), help: None },
    }
}
