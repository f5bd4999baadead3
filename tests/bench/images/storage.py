"""Images in the storage of a registry (distribution, filesystem driver), written without pushing them."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Storage:
    """The folder of one registry."""

    def __init__(self, root):
        self.root = pathlib.Path(root) / "docker/registry/v2"

    def _write(self, path, data):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self._write(f"blobs/sha256/{digest[:2]}/{digest}/data", data)
        return digest

    def layer(self, size, seed):
        """A layer that nothing makes smaller, as most are compressed already."""
        content = random.Random(seed).randbytes(size)
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            entry = tarfile.TarInfo(f"content-{seed}")
            entry.size = size
            archive.addfile(entry, io.BytesIO(content))
        data = gzip.compress(file.getvalue(), 0, mtime=0)
        plain = hashlib.sha256(file.getvalue()).hexdigest()
        return {"mediaType": LAYER, "digest": f"sha256:{self.blob(data)}", "size": len(data)}, plain

    def image(self, repository, tags, layers):
        """An image of these layers under all the tags. Returns the bytes of its blobs."""
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"name": f"{repository}:{tags[0]}"}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain}" for _, plain in layers]},
        }).encode()
        described = {"mediaType": CONFIG, "digest": f"sha256:{self.blob(config)}", "size": len(config)}
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [layer for layer, _ in layers],
        }).encode()
        digest = self.blob(manifest)
        home = f"repositories/{repository}"
        for blob in [described, *(layer for layer, _ in layers)]:
            name = blob["digest"].removeprefix("sha256:")
            self._write(f"{home}/_layers/sha256/{name}/link", blob["digest"].encode())
        self._write(f"{home}/_manifests/revisions/sha256/{digest}/link", f"sha256:{digest}".encode())
        for tag in tags:
            place = f"{home}/_manifests/tags/{tag}"
            self._write(f"{place}/current/link", f"sha256:{digest}".encode())
            self._write(f"{place}/index/sha256/{digest}/link", f"sha256:{digest}".encode())
        return len(config) + sum(layer["size"] for layer, _ in layers)

    def tags(self, repository):
        """Digests by tag."""
        folder = self.root / "repositories" / repository / "_manifests/tags"
        if not folder.is_dir():
            return {}
        found = {}
        for tag in os.listdir(folder):
            link = folder / tag / "current/link"
            found[tag] = link.read_text() if link.is_file() else None
        return found
