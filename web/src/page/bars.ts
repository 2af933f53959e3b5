import { create, percent, setText } from './dom.ts';

/** A table of classes with a bar and a number for each probability, and the most likely class as text. */
export function createBars(root: HTMLElement) {
  const verdict = create('p', { className: 'verdict', role: 'status' });
  const body = create('tbody');
  const table = create('table', { className: 'bars' }, create('caption', {}, 'Probability of each class'), body);
  root.append(verdict, table);
  return {
    /** @param probabilities null if there is nothing to classify; then `message` is shown */
    show(classes: readonly string[], probabilities: Float32Array | null, message = ''): void {
      if (body.rows.length !== classes.length || body.rows[0]!.cells[0]!.textContent !== classes[0]) {
        body.replaceChildren(
          ...classes.map((name) =>
            create('tr', {}, create('th', { scope: 'row' }, name), create('td', { className: 'bar' }), create('td')),
          ),
        );
      }
      const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
      for (const [c, row] of [...body.rows].entries()) {
        const p = probabilities?.[c] ?? Number.NaN;
        row.className = c === best ? 'best' : '';
        row.cells[1]!.style.setProperty('--share', String(p || 0));
        setText(row.cells[2]!, Number.isNaN(p) ? '-' : percent(p));
      }
      const nothing = probabilities ? 'No class is likely: the outputs of the network are no numbers.' : message;
      setText(verdict, best < 0 ? nothing : `Most likely: ${classes[best]}`);
    },
  };
}
