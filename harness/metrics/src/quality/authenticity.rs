//! Generated images that are not the nearest thing to a training image.

use super::Features;
use super::nearest::{nearest, nearest_others};
use crate::{Error, Measured, Proportion, Reason};

/// Authenticity (Alaa et al. 2022, section 3.2): the generated images that are farther from their
/// nearest training image than that is from its own nearest other training image, by l2 in
/// float64. Its share in percent is AuthPct. Low where training images are copied; but sparse
/// training data, whose images are far from each other, lower it as well (Stein et al. 2023).
///
/// Equal nearest training images go to the first. Missing for fewer than two training images, and
/// without generated ones.
///
/// ```
/// use eidetic_metrics::{Features, auth_pct};
///
/// let members = Features::new(&[0.0, 1.0, 9.0], 1)?;
/// let generated = Features::new(&[0.5, 4.0, 8.0], 1)?;
/// // 0.5 from 0, whose next is at 1; 3 from 1, at 1; 1 from 9, at 8.
/// let authentic = auth_pct(generated, members)?.value().unwrap();
/// assert_eq!((authentic.hits(), authentic.trials()), (1, 3));
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two differ in dimension.
pub fn auth_pct(
    generated: Features<'_>,
    members: Features<'_>,
) -> Result<Measured<Proportion>, Error> {
    generated.check_dim(members.dim())?;
    let enough = Reason::unless_enough("training images", 2, members.len())
        .and_then(|()| Reason::unless_enough("generated images", 1, generated.len()));
    Ok(enough.map(|()| {
        let own = nearest_others(members, 1);
        let found = nearest(generated, members, 1);
        Proportion::count(
            found
                .iter()
                .map(|to| own[to[0].index][0].squared < to[0].squared),
        )
    }))
}
