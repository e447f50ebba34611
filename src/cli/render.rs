//! `xdlreg-run render`: heatmaps of relevance maps from a file.

use super::RenderArgs;
use super::files::unwritable;
use crate::disk::Folder;
use crate::error::{EXIT_OK, Error, Result};
use crate::event::silent;
use crate::picture;
use crate::picture::{Heatmap, Look, Scale, Shading};
use crate::raster::RasterStack;
use crate::store::inputs::{Images, read_ages, read_images, read_maps, read_predictions};
use crate::terminal::{print_line, tell_line};

pub fn run(args: &RenderArgs) -> Result<u8> {
    let Images { stack: images, dataset, note } = read_images(&args.images)?;
    let maps = read_maps(&args.maps)?;
    if (images.len(), images.shape().folded()) != (maps.len(), maps.shape()) {
        let holds = |stack: &RasterStack| format!("{} of {}", stack.len(), stack.shape());
        let (paths, held) = ([args.images.display(), args.maps.display()], [holds(&images), holds(&maps)]);
        let message =
            format!("{} holds images ({}), but {} holds other maps ({})", paths[0], held[0], paths[1], held[1]);
        return Err(Error::usage(message, "give the maps of these images"));
    }
    let ages = args.ages.as_deref().map(|path| read_ages(path, images.len())).transpose()?;
    let predictions = args.predictions.as_deref().map(|path| read_predictions(path, images.len())).transpose()?;
    if let Some(note) = note {
        tell_line(&format!("note: {note}"));
    }
    let target = |index: usize| match (&ages, &dataset) {
        (Some(ages), _) => Some(("age", ages[index])),
        (None, Some(dataset)) => Some((dataset.target.name.as_str(), dataset.targets[index])),
        (None, None) => None,
    };
    let truth = dataset.as_ref().and_then(|dataset| dataset.truth.as_deref());
    // A file of maps does not tell what explained them, and so not in which unit they are.
    let labels = if args.true_scale { Scale::True(args.unit.as_deref()) } else { Scale::Relative };
    let mut names = Vec::new();
    let mut pictures = Vec::new();
    for index in 0..images.len() {
        let prediction = predictions.as_ref().map(|values| values[index]);
        let marks = truth.map(|truth| truth.marks(index));
        for marks in std::iter::once(None).chain(marks.map(Some)) {
            let name = picture::file_name(index, target(index), prediction, marks.is_some());
            names.push(format!("{name}.{}", args.format.extension()));
            pictures.push(Heatmap {
                image: images.get(index),
                relevance: maps.get(index),
                marks: marks.unwrap_or_default(),
                shading: Shading { colormap: args.colormap, ..Shading::default() },
                look: Look { labels, colormap: args.colormap, bar: true },
                title: picture::title(index, target(index), prediction),
            });
        }
    }
    let drawn = picture::render(&pictures, args.format, &silent)
        .map_err(|error| Error::Usage { message: error.to_string(), help: None })?;
    let out = Folder::at(&args.out);
    out.make().map_err(|error| unwritable(&args.out, &error))?;
    for (name, picture) in names.iter().zip(&drawn) {
        out.replace(name, picture).map_err(|error| unwritable(&args.out.join(name), &error))?;
    }
    print_line(&format!("{} pictures in {}", drawn.len(), args.out.display()));
    Ok(EXIT_OK)
}
