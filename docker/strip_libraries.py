"""Deletes from the virtual environment what serving with OpenVINO on a CPU never opens.

The names hold for x86-64 and for 64-bit Arm: what is kept is whatever is not listed here.
"""

import shutil
import sysconfig
from pathlib import Path

# Patterns in site-packages.
UNUSED = (
    # OpenVINO: other devices, devices made of several, other formats, conversion, development.
    "openvino/libs/libopenvino_intel_gpu_plugin.so*",
    "openvino/libs/libopenvino_intel_npu_plugin.so*",
    "openvino/libs/libopenvino_auto*_plugin.so*",
    "openvino/libs/libopenvino_hetero_plugin.so*",
    "openvino/libs/libopenvino_*_frontend.so*",
    "openvino/libs/libopenvino_c.so*",
    "openvino/libs/libtbbmalloc*.so*",
    "openvino/libs/cache.json",
    "openvino/frontend/*/",
    "openvino/tools",
    "openvino/torch",
    "openvino/cmake",
    "openvino/include",
    # Pillow: drawing text and converting colour profiles, which nothing does.
    "PIL/_imagingft.*.so",
    "PIL/_imagingcms.*.so",
    "PIL/ImageFont.py",
    "PIL/ImageCms.py",
    "pillow.libs/liblcms2-*",
    "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*",
    # NumPy: building extensions, its tests' means, and what it would only import when asked for.
    "numpy/fft",
    "numpy/testing",
    "numpy/polynomial",
    "numpy/distutils",
    "numpy/f2py",
    "numpy/_core/_simd.*.so",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/include",
    "numpy/_core/lib",
    # For colouring other languages than those that a traceback shows, and for other places.
    "pygments/lexers/[!_p]*.py",
    "pygments/lexers/_*_builtins.py",
    "pygments/formatters/[!_]*.py",
    # Gunicorn's other kinds of workers, Pydantic as it was before version 2, LMDB for PyPy.
    "gunicorn/asgi",
    "gunicorn/workers/gasgi.py",
    "gunicorn/dirty",
    "pydantic/v1",
    "pydantic/mypy.py",
    "lmdb/cffi.py",
    # PyArrow, where it is: other formats and file systems, calls to other machines, development.
    "pyarrow/libarrow_flight*",
    "pyarrow/libarrow_python_flight*",
    "pyarrow/_flight*",
    "pyarrow/_substrait.*.so",
    "pyarrow/libarrow_s3*",
    "pyarrow/_?*fs.*.so",
    "pyarrow/_orc.*.so",
    "pyarrow/include",
    "pyarrow/src",
    # Ray, where it is: for Java, learning by reinforcement, language models.
    "ray/jars",
    "ray/rllib",
    "ray/llm",
    # Swagger UI with a bar at its top, which the page does not have.
    "flask_openapi3_swagger/templates/swagger/js/swagger-ui-standalone-preset.js",
)
# Anywhere in site-packages. RECORD is for uninstalling.
UNUSED_ANYWHERE = (
    "tests/", "sboms/", "*.pyi", "*.pyx", "*.pxd", "*.a", "*.c", "RECORD", "__pycache__/",
)  # fmt: skip
# Only pandas, which Ray's data brings, needs it.
UNUSED_WITHOUT_PANDAS = ("numpy/random",)
KEPT = ("openvino/libs/libopenvino_ir_frontend.so*", "openvino/frontend/__pycache__/")


def main() -> None:
    """Delete, and say how much that was."""
    site = Path(sysconfig.get_path("purelib"))
    kept = {path for pattern in KEPT for path in site.glob(pattern)}
    patterns = UNUSED if (site / "pandas").is_dir() else UNUSED + UNUSED_WITHOUT_PANDAS
    unused = {path for pattern in patterns for path in site.glob(pattern)}
    unused |= {path for pattern in UNUSED_ANYWHERE for path in site.rglob(pattern)}
    freed_bytes = sum(_delete(path) for path in sorted(unused - kept))
    print(f"{freed_bytes / 1e6:.0f} MB deleted")  # noqa: T201


def _delete(path: Path) -> int:
    if not path.is_dir():
        size = path.lstat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size
    size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
    shutil.rmtree(path)
    return size


main()
