/**
 * The part of the WebAssembly JavaScript API that this project uses (https://www.w3.org/TR/wasm-js-api-2/, threads
 * proposal for `shared`). TypeScript ships these types only with the whole DOM, which no code below sim/ may see.
 */
declare namespace WebAssembly {
  interface MemoryDescriptor {
    readonly initial: number;
    readonly maximum?: number;
    readonly shared?: boolean;
  }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    grow(deltaPages: number): number;
  }
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
  }
  class Instance {
    constructor(module: Module, imports?: Readonly<Record<string, Readonly<Record<string, unknown>>>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  function compile(bytes: ArrayBufferView | ArrayBuffer): Promise<Module>;
}
