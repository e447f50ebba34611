//! `xdlreg-run render`: heatmaps of relevance maps from a file.

use super::RenderArgs;
use super::files::unwritable;
use crate::disk::Folder;
use crate::error::{EXIT_OK, Error, Result};
use crate::event::silent;
use crate::picture;
use crate::picture::{Heatmap, Scale, Signs};
use crate::store::inputs::{Images, read_ages, read_images, read_maps, read_predictions};
use crate::terminal::{print_line, tell_line};

pub fn run(args: &RenderArgs) -> Result<u8> {
    let Images { stack: images, pumpkins, note } = read_images(&args.images)?;
    let maps = read_maps(&args.maps)?;
    let shape = |stack: &crate::raster::RasterStack| (stack.len(), stack.height(), stack.width());
    if shape(&images) != shape(&maps) {
        return Err(Error::usage(
            format!(
                "{} holds {:?} (count, height, width), but {} holds {:?}",
                args.images.display(),
                shape(&images),
                args.maps.display(),
                shape(&maps)
            ),
            "give the maps of these images",
        ));
    }
    let ages = args.ages.as_deref().map(|path| read_ages(path, images.len())).transpose()?;
    let predictions = args.predictions.as_deref().map(|path| read_predictions(path, images.len())).transpose()?;
    if let Some(note) = note {
        tell_line(&format!("note: {note}"));
    }
    let age = |index: usize| match (&ages, &pumpkins) {
        (Some(ages), _) => Some(ages[index]),
        (None, Some(pumpkins)) => Some(pumpkins[index].age as f32),
        (None, None) => None,
    };
    // A file of maps does not tell what explained them, and so not in which unit they are.
    let scale = if args.true_scale { Scale::True(args.unit.as_deref()) } else { Scale::Relative };
    let mut names = Vec::new();
    let mut pictures = Vec::new();
    for index in 0..images.len() {
        let prediction = predictions.as_ref().map(|values| values[index]);
        let signs = pumpkins.as_ref().map(|pumpkins| Signs::from(&pumpkins[index]));
        for signs in std::iter::once(None).chain(signs.map(Some)) {
            names.push(picture::file_name(index, age(index), prediction, signs.is_some()));
            pictures.push(Heatmap {
                image: images.get(index),
                relevance: maps.get(index),
                signs,
                scale,
                title: picture::title(index, age(index), prediction),
            });
        }
    }
    let drawn =
        picture::render(&pictures, &silent).map_err(|error| Error::Usage { message: error.to_string(), help: None })?;
    let out = Folder::at(&args.out);
    out.make().map_err(|error| unwritable(&args.out, &error))?;
    for (name, picture) in names.iter().zip(&drawn) {
        out.replace(name, picture).map_err(|error| unwritable(&args.out.join(name), &error))?;
    }
    print_line(&format!("{} pictures in {}", drawn.len(), args.out.display()));
    Ok(EXIT_OK)
}
