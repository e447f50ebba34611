//! Published figure 6: training over epochs.

use super::chart::{Axis, Chart, legend};
use super::kinds::{Drawn, Missing, RunFigure};
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::{BLUE, VERMILION};
use crate::event::Epoch;
use crate::task::Task;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "06_training",
    title: "Training",
    source: "epochs.parquet",
    caption: "Error and loss after every epoch, on the training and the validation set. During training dropout is on, \
              which is why training may look worse than validation.",
    draw,
};

/// A quantity of an epoch on the training and on the validation set.
type Quantity = (fn(&Epoch) -> f64, fn(&Epoch) -> f64);

fn draw(run: &Run) -> Drawn {
    if run.epochs.is_empty() {
        return Err(Missing("epochs of training"));
    }
    let mae: Quantity = (|epoch| epoch.train_mae, |epoch| epoch.val_mae);
    let loss: Quantity = (|epoch| epoch.train_loss, |epoch| epoch.val_loss);
    let target = run.words().target;
    let squared = if target.unit.is_empty() { "loss".to_owned() } else { format!("loss in {}²", target.unit) };
    let panels = match run.task {
        Task::Regression => vec![(target.label_of("mean absolute error"), mae), (squared, loss)],
        Task::Classification => vec![("loss".to_owned(), loss)],
    };
    let mut sheet = Sheet::new(70.0 + 430.0 * panels.len() as f64, 380.0);
    sheet.title("Training");
    let (width, _) = sheet.size();
    legend(&mut sheet, width - 130.0, 14.0, &[("training".to_owned(), BLUE), ("validation".to_owned(), VERMILION)]);
    let last = run.epochs.len() as f64;
    for (index, (label, (train, validation))) in panels.into_iter().enumerate() {
        let curve = |of: fn(&Epoch) -> f64| -> Vec<(f64, f64)> {
            run.epochs.iter().map(|epoch| (epoch.epoch as f64, of(epoch))).collect()
        };
        let (train, validation) = (curve(train), curve(validation));
        let values = train.iter().chain(&validation).map(|point| point.1);
        let x = Axis::new("epoch", 0.0, last);
        let step = x.step.max(1.0);
        Chart::new(x.step(step), Axis::around(label, values).from_zero())
            .line(&train, BLUE, 1.8, None)
            .line(&validation, VERMILION, 1.8, None)
            .draw(&mut sheet, Area::new(64.0 + 430.0 * index as f64, 72.0, 350.0, 246.0));
    }
    Ok(sheet)
}
