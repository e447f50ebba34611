//! `xdlreg-run simulate`: pumpkins for NumPy.

use super::SimulateArgs;
use super::files::{publish, unwritable};
use crate::error::{EXIT_OK, Error, Result};
use crate::event::silent;
use crate::machine;
use crate::settings::Need;
use crate::sim::{PumpkinSettings, SimulateError, ages_of};
use crate::spec::memory;
use crate::stage::simulate::draw_into;
use crate::terminal::print_line;

pub fn run(args: &SimulateArgs) -> Result<u8> {
    let n = args.n as usize;
    let pumpkins = n.saturating_mul(args.age.len().max(1));
    if let Some(available) = machine::available_memory()
        && let Some(refused) = memory::refuse(&[records(pumpkins)], available)
    {
        return Err(Error::usage(refused.message, refused.help));
    }
    let ages = if args.age.is_empty() {
        let settings = PumpkinSettings {
            n_samples: n,
            distribution: args.distribution,
            target_bias: args.target_bias,
            growth_mode: args.growth_mode,
            seed: args.seed,
            ..PumpkinSettings::default()
        };
        ages_of(&settings).map_err(refused)?
    } else {
        args.age.iter().flat_map(|&age| std::iter::repeat_n(age, n)).collect()
    };
    publish(&args.out, |path| {
        draw_into(path, &ages, args.growth_mode, args.seed, &silent).map_err(|error| unwritable(path, &error))
    })?;
    print_line(&format!("{} pumpkins in {}", ages.len(), args.out.display()));
    Ok(EXIT_OK)
}

/// Images are written as they are drawn; the records of their signs and ages are kept until the end.
fn records(pumpkins: usize) -> Need {
    const RECORD: u128 = 500;
    Need::new("n", RECORD * pumpkins as u128, format!("--n {pumpkins}: the records of {pumpkins} pumpkins"))
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
