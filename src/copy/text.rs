//! A source as one stream of SQL text, in chunks, whatever its format.
//!
//! A thread of its own reads (and unpacks) ahead while the server works; it lives as long as the program it reads from.

use crate::copy::source::{ArchiveFormat, Source, SourceError};
use crate::engine::postgres::binaries::ToolBinary;
use crate::engine::postgres::launch::{self, RunningTool, Tool};
use crate::progress::Counter;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tokio::sync::mpsc;

/// Bytes of one chunk.
const CHUNK: usize = 1 << 18;
/// Chunks read ahead.
const AHEAD: usize = 4;

/// SQL text that arrives chunk by chunk.
#[derive(Debug)]
pub struct TextStream {
    chunks: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    tool: Option<(RunningTool, String)>,
    /// Everything was read.
    ended: bool,
    /// Bytes of the whole text, where that is known before it is unpacked.
    length: Option<u64>,
    counter: Option<Counter>,
    /// What the text is called in messages: a file, or an archive's SQL text.
    pub name: String,
}

/// How much of an archive becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// Definitions without rows.
    SchemaOnly,
}

impl TextStream {
    /// Opens the text of a dump, called `name` in messages. An archive is turned into text by `pg_restore`, which must
    /// then be given; the extent holds for archives only, a plain dump is always whole.
    ///
    /// # Errors
    /// The file cannot be opened, or `pg_restore` is missing or cannot be started.
    pub async fn open(
        source: &Source,
        name: &str,
        pg_restore: Option<&ToolBinary>,
        extent: Extent,
    ) -> Result<Self, SourceError> {
        let name = name.to_owned();
        match source {
            Source::Plain { path, packing } => {
                let file = File::open(path).map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
                if let Some(packing) = packing {
                    return Ok(Self::from_reader(packing.unpack(file), name));
                }
                let length = file.metadata().ok().map(|metadata| metadata.len());
                Ok(Self { length, ..Self::from_reader(file, name) })
            }
            Source::Archive { path, format } => Self::of_archive(path, name, *format, pg_restore, extent).await,
            Source::Empty | Source::Url(_) | Source::Stdin | Source::DataDirectory { .. } => {
                Ok(Self::from_reader(std::io::empty(), name))
            }
        }
    }

    /// Counts the bytes that are taken from it; what is read in a few chunks is over before anybody looks.
    pub fn counted(self, begin: impl FnOnce(Option<u64>) -> Counter) -> Self {
        let short = self.length.is_some_and(|length| length < 16 * CHUNK as u64);
        Self { counter: (!short).then(|| begin(self.length)), ..self }
    }

    /// Text from anything that can be read.
    pub fn from_reader(mut reader: impl Read + Send + 'static, name: String) -> Self {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let reading = std::thread::Builder::new().name("source text".into()).spawn({
            let sender = sender.clone();
            move || {
                loop {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    let read = reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                    let end = chunk.is_empty() || read.is_err();
                    // Nobody listens any more once the stream is dropped: then there is nothing left to do. An empty chunk
                    // is the end of the text.
                    let gone = !(read.is_err() && chunk.is_empty()) && sender.blocking_send(Ok(chunk)).is_err();
                    if let Err(error) = read {
                        let _ = sender.blocking_send(Err(error));
                    }
                    if end || gone {
                        break;
                    }
                }
            }
        });
        if let Err(error) = reading {
            // The channel is new and empty, so there is room for this one message.
            let _ = sender.try_send(Err(error));
        }
        Self { chunks, tool: None, ended: false, length: None, counter: None, name }
    }

    async fn of_archive(
        path: &Path,
        archive: String,
        format: ArchiveFormat,
        pg_restore: Option<&ToolBinary>,
        extent: Extent,
    ) -> Result<Self, SourceError> {
        let unusable = |problem: String| SourceError::NotADump { path: archive.clone().into(), problem };
        let tool = pg_restore.ok_or_else(|| {
            unusable("needs pg_restore, and none was found: install PostgreSQL's client programs".into())
        })?;
        let absolute = path.canonicalize().map_err(|error| SourceError::Unreadable { path: path.into(), error })?;
        let format = match format {
            ArchiveFormat::Custom => "--format=custom",
            ArchiveFormat::Directory => "--format=directory",
            ArchiveFormat::Tar => "--format=tar",
        };
        let mut pg_restore = Tool::new(tool.path.clone());
        pg_restore.args = vec![format.into(), "--create".into(), "--file=-".into()];
        if extent == Extent::SchemaOnly {
            pg_restore.args.push("--schema-only".into());
        }
        pg_restore.args.push(absolute.into());
        let mut running = launch::start_tool(pg_restore).await.map_err(|error| unusable(error.to_string()))?;
        let name = format!("{archive}, the archive's SQL text");
        let output =
            running.stdout.take().ok_or_else(|| unusable("cannot be read: pg_restore has no output".into()))?;
        let mut stream = Self::from_reader(output, name);
        stream.tool = Some((running, archive));
        Ok(stream)
    }

    /// The next chunk, `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read on, its compression is damaged, or `pg_restore` failed.
    pub async fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if !self.ended {
            // Who stops without a word has not read everything.
            let stopped = || std::io::Error::other("reading stopped before the end");
            let chunk = self.chunks.recv().await.ok_or_else(stopped)??;
            if let Some(counter) = &self.counter {
                counter.add(chunk.len() as u64);
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
            self.ended = true;
        }
        if let Some((tool, archive)) = self.tool.take() {
            let output = tool.wait().await;
            if !output.status.success() {
                let said = output.stderr.trim();
                let next = if said.contains("unsupported version") {
                    ": it was made by a newer pg_dump than the pg_restore found here; install newer client programs"
                } else {
                    ""
                };
                return Err(std::io::Error::other(format!("pg_restore cannot read {archive}: {said}{next}")));
            }
        }
        Ok(None)
    }
}
