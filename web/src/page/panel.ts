import type { Snapshot } from '../snapshot.ts';

/** A panel of the page; `update` is called with each snapshot. */
export interface Panel {
  update(snapshot: Snapshot): void;
}
