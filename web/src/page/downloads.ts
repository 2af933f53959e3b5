import type { Remote } from 'comlink';
import type { Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';
import { create, setText } from './dom.ts';
import { live, unlessGone } from './live.ts';
import type { Panel } from './panel.ts';

/** Downloads: the weights, a program for Node with the same training, and hashes of the weights to compare. */
export function createDownloadsPanel(root: HTMLElement, worker: Remote<Api>): Panel {
  let snapshot: Snapshot | null = null;
  const button = (text: string, onclick: () => Promise<void>) =>
    create('button', { type: 'button', disabled: true, onclick: () => void unlessGone(onclick()) }, text);
  const said = create('p', { className: 'hint', role: 'status' });
  const program = create('pre', { tabIndex: 0, role: 'region', 'aria-label': 'Program for Node' });
  const hashes = create('tbody');
  const nameOf = (ending: string) => {
    const { network, data } = snapshot!.settings;
    return `tilegrad-${network}-${data}${ending}`;
  };
  root.append(
    create(
      'div',
      { className: 'buttons' },
      button('Download weights', async () => {
        const { bytes, step } = await worker.weightsFile();
        save(bytes, nameOf(`-step-${step}.safetensors`));
      }),
      button('Download program', async () => save(program.textContent!, nameOf('.mjs'))),
      button('Copy program', async () => {
        try {
          await navigator.clipboard.writeText(program.textContent!);
          said.textContent = 'Copied.';
        } catch {
          said.textContent = 'The browser does not allow copying; select the text of the program instead.';
        }
      }),
    ),
    said,
    create('details', {}, create('summary', {}, 'The same training as a program for Node'), program),
    create(
      'table',
      { className: 'hashes' },
      create(
        'caption',
        {},
        'SHA-256 of all weights after each epoch. The program prints the same hashes on the same kind of adapter.',
      ),
      create(
        'thead',
        {},
        create('tr', {}, create('th', { scope: 'col' }, 'Epoch'), create('th', { scope: 'col' }, 'Hash')),
      ),
      hashes,
    ),
  );
  /** Network and epoch that are shown. */
  let shown = '';
  const refresh = live(async (next) => {
    snapshot = next;
    const key = `${next.network} ${next.epoch}`;
    if (key === shown) return;
    setText(program, await worker.nodeProgram());
    for (const one of root.querySelectorAll('button')) one.disabled = false;
    const rows = await worker.hashes();
    shown = key;
    hashes.replaceChildren(
      ...rows.map(({ epoch, hash }) =>
        create('tr', {}, create('th', { scope: 'row' }, String(epoch)), create('td', {}, create('code', {}, hash))),
      ),
    );
    if (rows.length === 0) hashes.append(create('tr', {}, create('td', { colSpan: 2 }, 'none yet')));
  }, 1);
  return { update: refresh };
}

/** Lets the browser save a file. */
function save(content: BlobPart, name: string): void {
  const href = URL.createObjectURL(new Blob([content]));
  create('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
