"""Runs a program that was built for wasm32-wasip1 in wasmtime: python wasi.py native|deterministic PROGRAM [ARGUMENT...]

`native` lets relaxed SIMD compute as this processor does; `deterministic` as WebAssembly's reference does, everywhere.
pip install wasmtime
"""

import os
import sys

from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig


def main():
    mode, program, *arguments = sys.argv[1:]
    config = Config()
    config.wasm_simd = True
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = {"native": False, "deterministic": True}[mode]
    engine = Engine(config)
    store = Store(engine)
    wasi = WasiConfig()
    wasi.argv = [program, *arguments]
    wasi.env = list(os.environ.items())
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, Module.from_file(engine, program))
    try:
        instance.exports(store)["_start"](store)
    except ExitTrap as end:
        return end.code
    return 0


sys.exit(main())
