//! Colours that can be read on a light and on a dark terminal.
//!
//! A terminal's own sixteen colours are whatever its theme makes of them: yellow is pale on white, and dimmed text is
//! nearly gone on a ground of little contrast. So these are of the fixed part of the 256 colours, each about as far from
//! white as from black.

use anstyle::{Ansi256Color, Color, Style};

/// Good news, and what a plan gained.
pub const GREEN: Style = indexed(28);
/// Look at it: the yellow of a light and a dark ground alike.
pub const BROWN: Style = indexed(130);
/// Bad news, and what a plan lost.
pub const RED: Style = indexed(196);
/// What nobody knows.
pub const MAGENTA: Style = indexed(163);
/// What few look for: SQL that stands in a file, names of rows.
pub const DIM: Style = indexed(243);

const fn indexed(index: u8) -> Style {
    Style::new().fg_color(Some(Color::Ansi256(Ansi256Color(index))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue of a colour of the cube or of the grey ramp, as every terminal with 256 colours has them.
    fn rgb(style: Style) -> [u8; 3] {
        let Some(Color::Ansi256(Ansi256Color(index))) = style.get_fg_color() else {
            panic!("not of the fixed colours: {style:?}")
        };
        match index {
            0..=15 => panic!("a theme decides about colour {index}"),
            232.. => [8 + 10 * (index - 232); 3],
            _ => [36, 6, 1].map(|step| [0, 95, 135, 175, 215, 255][usize::from((index - 16) / step % 6)]),
        }
    }

    /// Contrast of two colours, from 1 to 21, as WCAG 2 computes it.
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let luminance = |rgb: [u8; 3]| -> f64 {
            let linear = rgb.map(|part| match f64::from(part) / 255.0 {
                part if part <= 0.040_45 => part / 12.92,
                part => ((part + 0.055) / 1.055).powf(2.4),
            });
            linear.iter().zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| part * weight).sum()
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_colour_can_be_read_on_light_and_on_dark_grounds() {
        assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 0.01);
        // White, the light and the dark Solarized, VS Code's dark, black.
        let grounds = [[0xff; 3], [0xfd, 0xf6, 0xe3], [0x00, 0x2b, 0x36], [0x1e; 3], [0; 3]];
        for style in [GREEN, BROWN, RED, MAGENTA, DIM] {
            for ground in grounds {
                let found = contrast(rgb(style), ground);
                assert!(found >= 3.0, "{style:?} on {ground:?}: {found:.1}");
            }
        }
    }
}
