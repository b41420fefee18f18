//! Compressed text, unpacked while it is read.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// How a plain dump is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Packing {
    /// What a file that begins like this is compressed with; skippable frames of Zstandard may come first, as `pzstd`
    /// writes them.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The command that unpacks such a file.
    pub fn unpacked_by(self) -> &'static str {
        match self {
            Self::Gzip => "gunzip",
            Self::Zstd => "zstd -d",
        }
    }

    /// The text in a file.
    pub fn unpack(self, file: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let file = BufReader::with_capacity(1 << 17, file);
        match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Self::Zstd => Box::new(Zstd::new(file)),
        }
    }
}

/// Furthest a frame may refer back, which has to be kept in memory: as much as `zstd -d` takes without `--long`.
const WINDOW: u64 = 128 << 20;

/// Frames of Zstandard, one after another.
struct Zstd<R> {
    source: Watched<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

/// Knows whether its end was reached, which tells a file that is cut off from a damaged one.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { source: Watched { inner: source, ended: false }, decoder, in_frame: false }
    }

    /// Goes to the next frame; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.inner.fill_buf()?.is_empty() {
            let skipped = match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    u64::from(length)
                }
                Err(error) => return Err(self.broken(&error)),
            };
            if io::copy(&mut self.source.by_ref().take(skipped), &mut io::sink())? < skipped {
                return Err(cut_off());
            }
        }
        Ok(false)
    }

    /// Checks what was read, at the end of a frame.
    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let (said, is) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        if said.is_some() && said != is {
            return Err(io::Error::new(ErrorKind::InvalidData, "the zstd data is damaged: its checksum differs"));
        }
        Ok(())
    }

    fn broken(&self, error: &FrameDecoderError) -> io::Error {
        match error {
            FrameDecoderError::WindowSizeTooBig { requested, .. } => io::Error::new(
                ErrorKind::InvalidData,
                format!(
                    "the zstd data needs a window of {} MB, and {} MB is the most: compress it without --long",
                    requested >> 20,
                    WINDOW >> 20
                ),
            ),
            FrameDecoderError::DictNotProvided { .. } => {
                io::Error::new(ErrorKind::InvalidData, "the zstd data needs a dictionary: compress it without one")
            }
            _ if self.source.ended => cut_off(),
            error => io::Error::new(ErrorKind::InvalidData, format!("the zstd data is damaged: {error}")),
        }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the zstd data is cut off")
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                if let Err(error) = self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)) {
                    return Err(self.broken(&error));
                }
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.end()?;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    pub fn zstd(content: &[u8]) -> Vec<u8> {
        compress_to_vec(content, CompressionLevel::Fastest)
    }

    fn unpacked(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        Packing::of(file).expect("compressed").unpack(io::Cursor::new(file.to_vec())).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Text that does not become nothing.
    fn rows(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n}\t{}\n", n.wrapping_mul(2_654_435_761) % 1_000_003).into_bytes()).collect()
    }

    #[test]
    fn several_frames_are_one_text_and_skippable_ones_are_passed_over() {
        let (one, two) = (rows(40_000), rows(7));
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let file = [skippable.clone(), zstd(&one), zstd(b""), skippable, zstd(&two)].concat();
        assert!(unpacked(&file).expect("unpacked") == [one, two].concat());
    }

    #[test]
    fn a_file_that_is_cut_off_or_damaged_says_so_wherever_it_is() {
        let whole = zstd(&rows(40_000));
        for at in (1..whole.len()).step_by(whole.len() / 97) {
            let Some(_) = Packing::of(&whole[..at]) else { continue };
            let error = unpacked(&whole[..at]).expect_err("cut off").to_string();
            assert_eq!(error, "the zstd data is cut off", "{at} of {} bytes", whole.len());
        }
        let mut wrong = 0;
        for at in (5..whole.len()).step_by(whole.len() / 97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            match unpacked(&damaged) {
                Ok(text) => assert!(text == rows(40_000), "byte {at} changed rows and nobody noticed"),
                Err(error) => {
                    wrong += 1;
                    assert!(error.to_string().starts_with("the zstd data "), "{error}");
                }
            }
        }
        assert!(wrong > 90, "{wrong}");
        let error = unpacked(&[whole, b"not zstd".to_vec()].concat()).expect_err("rubbish behind it").to_string();
        assert!(error.starts_with("the zstd data is damaged"), "{error}");
    }

    #[test]
    fn a_window_that_does_not_fit_into_memory_is_refused() {
        // A frame header with a window of 2 GB: no single segment, window descriptor 21 << 3.
        let error = unpacked(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0]).expect_err("too big").to_string();
        assert!(error.contains("needs a window of 2048 MB") && error.contains("without --long"), "{error}");
    }
}
