//! `xdlreg-run network SPEC`: the layers of a spec's networks.

use std::fmt::Write;

use super::NetworkArgs;
use crate::error::{EXIT_OK, Error, Result};
use crate::net::{LayerRow, NetworkSpec, Shape, summary};
use crate::shown::{grouped, shown};
use crate::spec::{ResolvedSpec, memory};
use crate::terminal::print;

/// So many networks of a sweep are shown.
const SHOWN: usize = 10;

pub fn run(args: &NetworkArgs) -> Result<u8> {
    let resolved = ResolvedSpec::read(&args.spec, &args.sets, None)?;
    let mut networks: Vec<(NetworkSpec, String)> = Vec::new();
    for cell in &resolved.cells {
        let network = cell.spec.model.network(cell.spec.data.shape());
        let network = network.map_err(|error| Error::usage(error.to_string(), "change the layers so that they fit"))?;
        if !networks.iter().any(|(known, _)| *known == network) {
            networks.push((network, cell.settings.to_string()));
        }
    }
    let mut text = String::new();
    for (index, (network, settings)) in networks.iter().take(SHOWN).enumerate() {
        if networks.len() > 1 {
            let _ = writeln!(text, "{}{settings}", if index == 0 { "" } else { "\n" });
        }
        text += &table(network);
    }
    if networks.len() > SHOWN {
        let _ = writeln!(text, "\n... and {} more networks", networks.len() - SHOWN);
    }
    print(&text);
    Ok(EXIT_OK)
}

const HEADER: [&str; 6] = ["layer", "type", "output", "parameters", "multiplications", "receptive field"];

/// The layers one below the other, and their sums.
fn table(network: &NetworkSpec) -> String {
    let rows = summary(network);
    let mut lines = vec![HEADER.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let widths = [0, 1, 2, 3, 4, 5]
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default());
    let mut text = format!("images of {}\n", network.input);
    for line in &lines {
        let mut laid = String::new();
        for (column, cell) in line.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            // Numbers stand below each other by their last digits.
            laid += &if column >= 3 { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") };
        }
        let _ = writeln!(text, "{}", laid.trim_end());
    }
    let sum = |part: fn(&LayerRow) -> u128| rows.iter().map(part).sum::<u128>();
    let (trainable, fixed) = (sum(|row| row.trainable), sum(|row| row.fixed));
    let _ = write!(text, "{} parameters", grouped(trainable + fixed));
    if fixed > 0 {
        let _ = write!(text, ", {} of them running statistics of batch norm", grouped(fixed));
    }
    let _ = writeln!(
        text,
        "; {} multiplications an image; weights {}, values of all layers {} an image",
        grouped(sum(|row| row.multiplications)),
        memory::in_words(4 * (trainable + fixed)),
        memory::in_words(network.activations()),
    );
    text
}

fn cells(row: &LayerRow) -> [String; 6] {
    let output = match row.output {
        Shape::Image(image) => format!("{} x {} x {}", image.channels, image.height, image.width),
        Shape::Features(features) => features.to_string(),
    };
    let or_none = |count: u128| if count == 0 { "-".to_owned() } else { grouped(count) };
    [
        format!("{}{}", "  ".repeat(row.depth), shown(&row.name)),
        row.kind.to_owned(),
        output,
        or_none(row.trainable + row.fixed),
        or_none(row.multiplications),
        format!("{} x {}", row.field[0], row.field[1]),
    ]
}
