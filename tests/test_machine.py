"""What the command line sees of the machine, what it sets, and what it says about kernels and threads."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy  # noqa: F401 - loads the library
import pytest

from ourdl_cli.machine import (
    AVX512,
    KERNELS,
    LEVELS,
    THREADS,
    Blas,
    Cores,
    Processor,
    advice,
    cores,
    export,
    loaded,
    openblas,
    processor,
    quota,
    read,
)

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of itself")

# Shortened: the lines that matter, and the flags that do among some that do not.
SSE = "fpu vme sse sse2 ssse3 sse4_1 sse4_2 popcnt"
AVX2 = f"{SSE} fma avx f16c bmi1 avx2 bmi2"
SKYLAKE_SP = f"{AVX2} avx512f avx512dq avx512cd avx512bw avx512vl"
CPUINFO = {
    "Xeon Skylake-SP": ("GenuineIntel", 6, 85, "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", SKYLAKE_SP, "SkylakeX"),
    "EPYC Zen 4": ("AuthenticAMD", 25, 17, "AMD EPYC 9654 96-Core Processor", f"{SKYLAKE_SP} avx512_bf16", "SkylakeX"),
    "EPYC Zen 5": ("AuthenticAMD", 26, 2, "AMD EPYC 9755 128-Core Processor", f"{SKYLAKE_SP} avx512_bf16", "SkylakeX"),
    "EPYC Zen 3": ("AuthenticAMD", 25, 1, "AMD EPYC 7763 64-Core Processor", AVX2, "Haswell"),
    "Core with AVX-512 off": ("GenuineIntel", 6, 151, "12th Gen Intel(R) Core(TM) i7-12700K", f"{AVX2} avx_vnni", "Haswell"),
    "Xeon Phi": ("GenuineIntel", 6, 87, "Intel(R) Xeon Phi(TM) CPU 7250", f"{AVX2} avx512f avx512pf avx512cd", "Haswell"),
    "Xeon Westmere": ("GenuineIntel", 6, 44, "Intel(R) Xeon(R) CPU X5650 @ 2.67GHz", SSE, "Nehalem"),
}
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes sha1 asimdhp asimddp sve\nCPU implementer\t: 0x41\n"
LINES = (
    "processor\t: {}\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t: {}\nmodel name\t: {}\nflags\t\t: {}\nbugs\t\t: srso\n\n"
)


def cpuinfo(name):
    vendor, family, model, long, flags, _ = CPUINFO[name]
    return "".join(LINES.format(i, vendor, family, model, long, flags) for i in range(2))


def blas(kernels, threads=1, **changes):
    return replace(Blas("openblas", "0.3.31", kernels, threads, chooses=True), **changes)


def mends(kernels, name="EPYC Zen 5", environ=None, **changes):
    found = advice([blas(kernels, **changes)], processor(cpuinfo(name)), Cores(8), environ or {THREADS[0]: "1"})
    return [each.shell for each in found]


# ---- what the system says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CPUINFO)
def test_a_processor_is_read_from_cpuinfo(name):
    found = processor(cpuinfo(name))
    assert found.name == CPUINFO[name][3]
    assert found.flags == set(CPUINFO[name][4].split())
    assert next(level.ask for level in LEVELS if level.flags <= found.flags) == CPUINFO[name][5]


@pytest.mark.parametrize("text", [ARM, "", "no colon\n\n: :\n"])
def test_a_processor_that_is_not_x86_has_no_flags(text):
    assert processor(text).flags == frozenset()


def test_a_file_that_is_not_there_reads_as_nothing(tmp_path):
    assert read(tmp_path / "none") == read(tmp_path) == ""


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, float("inf")),
        ({"proc/self/cgroup": "0::/\n"}, float("inf")),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, float("inf")),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        # The least of a group and those around it counts.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            },
            2,
        ),
        # Version 1, where a container sees its own group as the top.
        (
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/0a1b\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            float("inf"),
        ),
        ({"proc/self/cgroup": "broken\n::\n0::/\n", "sys/fs/cgroup/cpu.max": "1 0\n"}, float("inf")),
    ],
)
def test_the_quota_of_a_container(tmp_path, files, expected):
    assert quota(tree(tmp_path, files)) == expected


def test_cores_are_whole_threads():
    assert [each.whole for each in (Cores(8), Cores(8, 2.5), Cores(8, 0.5), Cores(2, 64))] == [8, 2, 1, 2]
    assert str(Cores(1)) == "1 core"
    assert str(Cores(8, 2.5)) == "8 cores, of which the container grants 2.5"
    assert 1 <= cores().whole <= cores().allowed <= (os.cpu_count() or 1)


@LINUX
def test_the_loaded_library_is_found_with_and_without_threadpoolctl(monkeypatch):
    with_it = [found for found in loaded() or [] if found.name == "openblas"]
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    without = loaded()
    if not with_it:
        pytest.skip("NumPy is not linked with OpenBLAS here")
    assert without is not None
    assert set(without) == set(with_it)
    assert all(found.version.startswith("0.") and found.kernels and found.threads for found in without)


def test_a_library_that_is_no_openblas_or_gone_says_nothing(tmp_path):
    import _ctypes

    assert openblas(str(tmp_path / "libopenblas.so")) is None
    if _ctypes.__file__:
        assert openblas(_ctypes.__file__) is None


# ---- what is wrong, and what mends it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["EPYC Zen 4", "EPYC Zen 5", "Xeon Skylake-SP"])
@pytest.mark.parametrize("kernels", ["Haswell", "Zen", "ZEN", "Sandybridge", "Prescott"])
def test_slow_kernels_on_a_processor_with_avx512(name, kernels):
    assert mends(kernels, name) == [export(KERNELS, "SkylakeX")]


@pytest.mark.parametrize("missing", sorted(AVX512))
def test_kernels_are_never_proposed_where_one_flag_is_missing(missing):
    found = processor(cpuinfo("EPYC Zen 5").replace(f" {missing} ", " ").replace(f" {missing}\n", "\n"))
    assert missing not in found.flags
    assert advice([blas("Haswell")], found, Cores(8), {THREADS[0]: "1"}) == []


@pytest.mark.parametrize(
    ("kernels", "name"),
    [
        ("SkylakeX", "EPYC Zen 5"),
        ("Cooperlake", "EPYC Zen 4"),
        ("SapphireRapids", "Xeon Skylake-SP"),
        ("Haswell", "EPYC Zen 3"),
        ("Zen", "EPYC Zen 3"),
        ("Haswell", "Core with AVX-512 off"),
        ("Haswell", "Xeon Phi"),
        ("Nehalem", "Xeon Westmere"),
        ("Zen9", "EPYC Zen 5"),
    ],
)
def test_nothing_is_said_of_kernels_that_fit_or_that_are_new(kernels, name):
    assert mends(kernels, name) == []


def test_old_kernels_on_a_processor_with_avx2():
    assert mends("Nehalem", "EPYC Zen 3") == [export(KERNELS, "Haswell")]


def test_kernels_that_the_environment_chose():
    (found,) = advice([blas("Haswell")], processor(cpuinfo("EPYC Zen 5")), Cores(8), {KERNELS: "Haswell", THREADS[0]: "1"})
    assert "OPENBLAS_CORETYPE=Haswell in the environment" in found.text
    assert (found.shell, found.python) == (f"unset {KERNELS}", f'os.environ.pop("{KERNELS}", None)')
    # Asked for, and the library has none: no line would mend that.
    assert mends("Haswell", environ={KERNELS: "SKYLAKEX", THREADS[0]: "1"}) == []


def test_a_library_without_a_choice_of_kernels_and_other_libraries():
    assert mends("Haswell", chooses=False) == []
    assert mends("", name="EPYC Zen 5", chooses=False) == []
    mkl = Blas("mkl", "2025.0", "", 8)
    assert advice([mkl], processor(cpuinfo("EPYC Zen 5")), Cores(8), {}) == []
    assert advice([], Processor(), Cores(8, 2), {}) == []
    assert str(mkl) == "2025.0, 8 threads"


def test_more_threads_than_cores():
    (found,) = advice([blas("SkylakeX", 64)], Processor(), Cores(64, 2), {"OMP_NUM_THREADS": "64"})
    assert found.text.startswith("OMP_NUM_THREADS=64: 64 threads would share 2 cores")
    assert found.shell == export("OMP_NUM_THREADS", 2)
    assert found.python == 'os.environ["OMP_NUM_THREADS"] = "2"'
    # One thread in the command line, but a script would have as many as the machine has cores.
    (found,) = advice([blas("SkylakeX", 1)], Processor(), Cores(64, 2), {})
    assert found.text.startswith("In a script of your own, 64 threads would share 2 cores")
    assert found.shell == export("OPENBLAS_NUM_THREADS", 2)
    for environ in ({}, {"OMP_NUM_THREADS": "64"}):
        assert advice([blas("SkylakeX", 8)], Processor(), Cores(8), environ) == []


# ---- what is set, in the real command -------------------------------------------------------------------------------

SHOW = """
import json, os, sys
assert "numpy" not in sys.modules
from ourdl_cli.machine import applied, prepare
prepare()
assert "numpy" not in sys.modules
print(json.dumps([applied.threads, dict(os.environ)]))
"""


def clean(**changes):
    return {**{name: value for name, value in os.environ.items() if name not in (*THREADS, KERNELS)}, **changes}


def prepared(**changes):
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, env=clean(**changes))
    return json.loads(done.stdout)


def test_what_the_command_line_sets():
    threads, environ = prepared()
    assert threads
    assert {name: environ[name] for name in THREADS} == dict.fromkeys(THREADS, "1")
    assert KERNELS not in environ  # OpenBLAS chooses
    assert prepared(**{KERNELS: "Haswell"})[1][KERNELS] == "Haswell"


@pytest.mark.parametrize("name", THREADS)
def test_threads_that_a_person_set_stay(name):
    threads, environ = prepared(**{name: "3"})
    assert not threads
    assert {each: environ.get(each) for each in THREADS} == {each: "3" if each == name else None for each in THREADS}


def doctor(columns=100, **changes):
    command = [sys.executable, "-m", "ourdl_cli", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=clean(COLUMNS=str(columns), **changes))


def test_doctor_tells_who_set_what():
    done = doctor()
    assert (done.returncode, done.stderr) == ("\nBroken\n" in done.stdout, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for name in THREADS:
        assert f"{name} 1, set by ourdl" in lines
    assert f"{KERNELS} not set" in lines
    assert f"in a shell {export('OPENBLAS_NUM_THREADS', 1)}" in lines
    assert any(line.startswith("speed ") and line.endswith("GFLOP/s in float32 matrix products") for line in lines)

    done = doctor(OMP_NUM_THREADS="1", OPENBLAS_CORETYPE="none such")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "OMP_NUM_THREADS 1, from the environment" in lines
    assert f"{KERNELS} none such, from the environment" in lines
    assert "For scripts of your own" not in lines


@LINUX
def test_doctor_sees_kernels_that_the_environment_made_slow():
    slow = openblas_kernels(OPENBLAS_CORETYPE="Haswell")
    if slow != "Haswell" or not processor(read("/proc/cpuinfo")).flags >= AVX512:
        pytest.skip("needs an OpenBLAS with a choice of kernels and a processor with AVX-512")
    done = doctor(OPENBLAS_CORETYPE="Haswell")
    assert done.returncode == ("\nBroken\n" in done.stdout)  # advice is no failure
    assert f"unset {KERNELS}" in done.stdout
    assert "To mend" not in doctor().stdout


def openblas_kernels(**changes):
    code = "import numpy; from ourdl_cli.machine import loaded; print(*[b.kernels for b in loaded() or [] if b.chooses])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean(**changes))
    return done.stdout.strip()
