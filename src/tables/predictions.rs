//! The predictions of images from a file, as a table of its own.

use std::fmt::Write;

use polars::prelude::*;

use super::TableError;
use super::file::as_promised;
use crate::data::Target;

/// Predictions for images, in their order, with what was to be predicted where it is known.
#[derive(Debug)]
pub struct PredictionTable {
    pub predictions: Vec<f32>,
    pub targets: Option<(Target, Vec<f32>)>,
}

/// How it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredictionFormat {
    Parquet,
    Csv,
}

impl PredictionTable {
    /// The file, with the columns `sample`, `target_name` and `target` where they are known, and `prediction`.
    ///
    /// # Errors
    /// What polars cannot write.
    pub fn to_bytes(&self, format: PredictionFormat) -> Result<Vec<u8>, TableError> {
        match format {
            PredictionFormat::Parquet => self.to_parquet(),
            PredictionFormat::Csv => Ok(self.to_csv().into_bytes()),
        }
    }

    /// The targets, where there is one for each prediction.
    fn known(&self) -> Option<(&Target, &[f32])> {
        let (target, values) = self.targets.as_ref()?;
        (values.len() == self.predictions.len()).then_some((target, values))
    }

    fn to_parquet(&self) -> Result<Vec<u8>, TableError> {
        let count = self.predictions.len();
        let samples: Vec<i64> = (0..count as i64).collect();
        let mut columns = vec![Column::new("sample".into(), samples)];
        if let Some((target, values)) = self.known() {
            columns.push(Column::new("target_name".into(), vec![target.name.as_str(); count]));
            columns.push(Column::new("target".into(), values));
        }
        columns.push(Column::new("prediction".into(), &self.predictions));
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut as_promised(DataFrame::new(count, columns)?)?)?;
        Ok(bytes)
    }

    fn to_csv(&self) -> String {
        let cell = |value: f32| if value.is_finite() { value.to_string() } else { String::new() };
        let known = self.known();
        let mut text = String::from(if known.is_some() {
            "sample,target_name,target,prediction\n"
        } else {
            "sample,prediction\n"
        });
        for (sample, &prediction) in self.predictions.iter().enumerate() {
            let _ = write!(text, "{sample},");
            if let Some((target, values)) = known {
                let _ = write!(text, "{},{},", quoted(&target.name), cell(values[sample]));
            }
            let _ = writeln!(text, "{}", cell(prediction));
        }
        text
    }
}

/// A text as a cell of a CSV file (RFC 4180).
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_file_quotes_names_and_leaves_out_what_is_no_number() {
        let targets = Some((Target::new("age, \"true\"", "years"), vec![1.5, 2.0]));
        let table = PredictionTable { predictions: vec![0.1, f32::NAN], targets };
        let text = String::from_utf8(table.to_bytes(PredictionFormat::Csv).unwrap()).unwrap();
        let expected =
            "sample,target_name,target,prediction\n0,\"age, \"\"true\"\"\",1.5,0.1\n1,\"age, \"\"true\"\"\",2,\n";
        assert_eq!(text, expected);
        let table = PredictionTable { predictions: vec![0.1], targets: Some((Target::new("age", ""), Vec::new())) };
        assert_eq!(table.to_csv(), "sample,prediction\n0,0.1\n");
    }
}
