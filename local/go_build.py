"""Builds a program from one of the Go modules in `local/go/` into the cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from local import paths
from local.progress import step

MODULES = Path(__file__).parent / "go"


def environment() -> dict[str, str]:
    """Environment for every `go` call: one setting for all, so that the modules share the compiler's cache."""
    go = paths.cache() / "go"
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",  # a read-only module cache can't be removed with rm -r
        "GOCACHE": str(go / "build"),
        "GOMODCACHE": str(go / "mod"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def target(module: str, package: str, binary: str, *, ldflags: str = "-s -w", tags: str = "") -> Path:
    """Where `build` puts the program: keyed by everything of ours that decides what is in it."""
    source = MODULES / module
    digest = hashlib.sha256(f"{package}\0{ldflags}\0{tags}".encode())
    for file in sorted([source / "go.mod", source / "go.sum", *source.rglob("*.go")]):
        digest.update(file.relative_to(source).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() if file.exists() else b"")
    return paths.cache() / "bin" / digest.hexdigest()[:16] / binary


def build(
    module: str, package: str, binary: str, *, ldflags: str = "-s -w", tags: str = "", expected: str = "1 min"
) -> Path:
    """Build `package` of `local/go/<module>` as `binary`, or find it in the cache; returns the program's path.

    `package` is `.` for the module's own `main.go`, or the import path of a `main` package that it requires. `expected`
    is only what the screen says. Raises RuntimeError with the compiler's words when the build fails.
    """
    result = target(module, package, binary, ldflags=ldflags, tags=tags)
    if result.exists():
        return result
    result.parent.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{binary}-", dir=result.parent.parent))
    command = ["go", "build", "-trimpath", f"-ldflags={ldflags}", f"-tags={tags}", "-o", str(scratch / binary), package]
    try:
        with step(f"Building {binary}", expected):
            # The compiler's own scratch goes with ours: an interrupted one leaves hundreds of megabytes.
            where = environment() | {"GOTMPDIR": str(scratch)}
            done = subprocess.run(command, cwd=MODULES / module, env=where, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"Building {binary} from local/go/{module} failed:\n{done.stderr[-4000:]}")
        result.parent.mkdir(exist_ok=True)
        (scratch / binary).replace(result)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result
