// Workers that classify: the first with the page, more for a batch. Each has a module and a model of its own, so no
// memory is shared and the page needs no special headers of its host.

// A worker holds a decoded photo beside its model; phones have many cores and little memory.
const MOST = Math.max(1, Math.min(4, navigator.hardwareConcurrency || 1));
// WebAssembly's memory grows and never shrinks: a worker that has seen a huge picture is replaced by a new one.
const MEMORY_BYTES = 512 * 1048576;

export class Pool {
  #parts;
  #idle = [];
  #count = 0;
  #waiting = [];

  // Starts the first worker; its word on the model is `told`.
  static async open(module, model) {
    const pool = new Pool();
    pool.#parts = { module, model };
    pool.#count = 1;
    const { worker, told } = await pool.#start();
    pool.#idle.push(worker);
    pool.told = told;
    return pool;
  }

  get size() {
    return MOST;
  }

  async #start() {
    const worker = new Worker("worker.js");
    const result = await ask(worker, { task: "open", ...this.#parts });
    if (result.opened) return { worker, told: result.told };
    worker.terminate();
    throw new Error(result.told ? result.told.error : result.why);
  }

  async #take() {
    if (this.#idle.length) return this.#idle.pop();
    if (this.#count < MOST) {
      this.#count++;
      try {
        return (await this.#start()).worker;
      } catch (error) {
        this.#count--;
        // With fewer workers a batch takes longer and loses nothing.
        if (this.#count === 0) throw error;
      }
    }
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #give(worker) {
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#idle.push(worker);
  }

  async #replace(worker) {
    worker.terminate();
    try {
      this.#give((await this.#start()).worker);
    } catch {
      this.#count--;
      // Whoever waits for the last worker would wait for ever.
      if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve(null);
    }
  }

  // Asks the next free worker. `failed` says that there is no answer: "stopped", "unreadable" or "canceled".
  async ask(question, signal) {
    const worker = await this.#take();
    if (!worker) return { failed: "stopped" };
    if (signal && signal.aborted) {
      this.#give(worker);
      return { failed: "canceled" };
    }
    const result = await ask(worker, question);
    if (result.failed === "stopped" || result.memory > MEMORY_BYTES) this.#replace(worker);
    else this.#give(worker);
    return result;
  }
}

function ask(worker, question) {
  return new Promise(resolve => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = event => {
      event.preventDefault();
      resolve({ failed: "stopped", why: event.message });
    };
    worker.postMessage(question);
  });
}
