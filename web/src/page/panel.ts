import type { Snapshot } from '../snapshot.ts';

/** What a panel of the page gives back: it is called with each snapshot. */
export interface Panel {
  update(snapshot: Snapshot): void;
}
