import { createStore, del, get, set } from 'idb-keyval';
import type { TrainingState } from '../../../src/index.ts';

/** A training as it was left. */
export interface Checkpoint {
  version: 1;
  /** Its settings, as `addressOf` writes them. */
  address: string;
  state: TrainingState;
}

/** Where checkpoints are kept: IndexedDB, or what a test puts in its place. */
export interface Store {
  get(): Promise<unknown>;
  set(value: Checkpoint): Promise<void>;
  remove(): Promise<void>;
}

const VERSION = 1;
const KEY = 'last';

/** The browser's own store. Opened at the first use: browsers may forbid it. */
export function browserStore(): Store {
  let opened: ReturnType<typeof createStore> | null = null;
  const store = () => {
    if (!(globalThis as { indexedDB?: unknown }).indexedDB)
      throw new DOMException('there is no IndexedDB', 'SecurityError');
    opened ??= createStore('tilegrad', 'checkpoints');
    return opened;
  };
  return {
    get: async () => get(KEY, store()),
    set: async (value) => set(KEY, value, store()),
    remove: async () => del(KEY, store()),
  };
}

/**
 * The last training, kept in the browser and in memory. A store that is full or forbidden is no error: training goes on without it, and
 * `onProblem` says so once.
 */
export class Checkpoints {
  private latest: Checkpoint | null = null;
  private reported = false;

  constructor(
    private readonly store: Store,
    private readonly onProblem: (message: string) => void,
  ) {}

  /** The last checkpoint, of whatever training; null if there is none that can be read. */
  async load(): Promise<Checkpoint | null> {
    if (this.latest) return this.latest;
    try {
      const value = await this.store.get();
      if (value === undefined || value === null) return null;
      if (isCheckpoint(value)) {
        this.latest = value;
        return value;
      }
      this.onProblem('The checkpoint in this browser is of another version of this page and is not used.');
    } catch (error) {
      this.report(error);
    }
    return null;
  }

  async save(address: string, state: TrainingState): Promise<void> {
    this.latest = { version: VERSION, address, state };
    try {
      await this.store.set(this.latest);
      this.reported = false;
    } catch (error) {
      this.report(error);
    }
  }

  async remove(): Promise<void> {
    this.latest = null;
    try {
      await this.store.remove();
    } catch (error) {
      this.report(error);
    }
  }

  private report(error: unknown): void {
    if (this.reported) return;
    this.reported = true;
    this.onProblem(problemOf(error));
  }
}

const END = 'Training continues, but is lost when you close the tab.';

function problemOf(error: unknown): string {
  const { name = '', message = String(error) } = (error ?? {}) as Partial<Error>;
  if (name === 'QuotaExceededError') return `The storage of this browser is full, so no checkpoint is kept. ${END}`;
  const isForbidden =
    ['SecurityError', 'InvalidStateError', 'NotAllowedError'].includes(name) || /denied/i.test(message);
  const reason = `${name ? `${name}: ` : ''}${message}`;
  return isForbidden
    ? `This browser forbids storage here (${reason}), so no checkpoint is kept. ${END}`
    : `No checkpoint can be kept (${reason}). ${END}`;
}

function isCheckpoint(value: unknown): value is Checkpoint {
  const { version, address, state } = value as Partial<Checkpoint>;
  const position = state?.position;
  return (
    version === VERSION &&
    typeof address === 'string' &&
    Number.isInteger(position?.epoch) &&
    Number.isInteger(position?.step) &&
    Array.isArray(state?.weights)
  );
}
