//! Layers without compression, made into layers as registries keep them.
//!
//! A Docker engine that unpacks its layers forgets how they were compressed, so that the manifest's digest is new. The
//! same layer always gives the same bytes here, and the image's configuration, which has the digests of the plain
//! layers in it, stays what it was.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::images::digest::{Algorithm, Hasher};
use crate::images::store::contents::{Part, spool};
use crate::images::{Descriptor, Digest};

/// Media type of a compressed layer in a Docker manifest.
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer as a registry keeps it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// What it is.
    pub(super) descriptor: Descriptor,
    /// Its bytes.
    pub(super) part: Part,
    /// The digest of the plain layer.
    pub(super) plain: Digest,
}

/// Compresses a layer, or takes it as it is if it is compressed already. Blocks.
pub(super) fn layer(part: &Part) -> io::Result<Layer> {
    let mut magic = [0; 2];
    let mut reader = part.reader();
    let is_gzip = part.size > 2 && reader.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    if is_gzip {
        let mut packed = Hasher::new(Algorithm::Sha256);
        let mut plain = Hasher::new(Algorithm::Sha256);
        let tee = Tee {
            inner: part.reader(),
            hasher: &mut packed,
        };
        let mut decoder =
            flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 20, tee));
        copy(&mut decoder, &mut Sink(&mut plain))?;
        // What follows the compressed data belongs to the file.
        copy(decoder.get_mut(), &mut io::sink())?;
        drop(decoder);
        return Ok(Layer {
            descriptor: Descriptor::new(LAYER, packed.finish(), part.size),
            part: part.clone(),
            plain: plain.finish(),
        });
    }
    let mut plain = Hasher::new(Algorithm::Sha256);
    let mut packed = Counted {
        file: spool()?,
        hasher: Hasher::new(Algorithm::Sha256),
    };
    let mut encoder = GzEncoder::new(
        io::BufWriter::with_capacity(1 << 20, &mut packed),
        Compression::new(6),
    );
    let mut reader = Tee {
        inner: part.reader(),
        hasher: &mut plain,
    };
    copy(&mut reader, &mut encoder)?;
    encoder.finish()?.flush()?;
    let size = packed.hasher.bytes();
    Ok(Layer {
        descriptor: Descriptor::new(LAYER, packed.hasher.finish(), size),
        part: Part {
            file: Arc::new(packed.file),
            start: 0,
            size,
        },
        plain: plain.finish(),
    })
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.flush(),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

/// Hashes what is read.
struct Tee<'h, R> {
    inner: R,
    hasher: &'h mut Hasher,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Hashes what is written, and keeps nothing.
struct Sink<'h>(&'h mut Hasher);

impl Write for Sink<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes what is written into a file.
struct Counted {
    file: File,
    hasher: Hasher,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
