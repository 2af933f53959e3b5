import type { Block, Cell, Report } from './content.ts';
import { escapeProse } from './escape.ts';

// Tables that a reader can sort by a column without a script, which a page forbids. Each row has its rank in every column as a variable, a
// radio button in the head of a column selects the ranks that count, and the grid orders the rows by them. Screen readers read the rows in
// written order; a browser without `subgrid` and `:has` shows the plain table.

type Table = Extract<Block, { type: 'table' }>;

/** Returns the additional HTML of a sortable table. */
export function sortable({ head, rows }: Table, index: number) {
  const ranks = head.map((_, column) => ranksOf(rows.map((row) => row[column] ?? null)));
  return {
    caption: '. Order by a column’s name; <label><input type="checkbox" class="falling"> largest first</label>',
    head: (column: number) =>
      `<label><input type="radio" name="order-${index}" class="by-${column}"> ${escapeProse(head[column]!)}</label>`,
    row: (row: number) => {
      const variables = ranks.flatMap((columnRanks, column) =>
        columnRanks[row] === null ? [] : `--o${column}:${columnRanks[row]}`,
      );
      return ` style="${variables.join(';')}"`;
    },
  };
}

/** Returns ranks from 0, numbers (also as text) before words; null for missing cells, which are last in both orders. */
function ranksOf(cells: readonly Cell[]): (number | null)[] {
  const compare = (a: string | number, b: string | number) => {
    const [x, y] = [Number(a), Number(b)];
    if (Number.isNaN(x) && Number.isNaN(y)) return String(a).localeCompare(String(b), 'en', { numeric: true });
    return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y;
  };
  const present = [...new Set(cells.filter((cell) => cell !== null && cell !== ''))].sort((a, b) => compare(a!, b!));
  const rank = new Map(present.map((cell, i) => [cell, i]));
  return cells.map((cell) => rank.get(cell) ?? null);
}

/** Returns the CSS rules for the columns of the largest sortable table; empty if there is no such table. */
export function sortRules(sections: Report['sections']): string {
  const columns = sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) => (block.type === 'table' && block.sortable ? block.head.length : [])),
  );
  if (columns.length === 0) return '';
  // A row without a rank is multiplied by the sign twice, so it stays last.
  const rules = Array.from(
    { length: Math.max(...columns) },
    (_, i) => `.sortable:has(.by-${i}:checked) tbody tr{--order:var(--o${i},calc(100000*var(--sign,1)))}`,
  );
  return `
.sortable input{margin:0 .15em 0 0;vertical-align:-.1em;accent-color:var(--accent)}
.sortable thead input{opacity:.35}
.sortable thead input:checked,.sortable thead input:focus-visible,.sortable thead label:hover input{opacity:1}
.sortable label{cursor:pointer}
@supports not ((grid-template-columns:subgrid) and selector(:has(*))){.sortable input,.sortable caption label{display:none}}
@supports (grid-template-columns:subgrid) and selector(:has(*)){
.sortable{display:grid;grid-template-columns:repeat(var(--columns),auto);width:max-content;min-width:100%}
.sortable thead,.sortable tbody{display:contents}
.sortable caption,.sortable tr{grid-column:1/-1}
.sortable tr{display:grid;grid-template-columns:subgrid;order:calc(var(--order,0)*var(--sign,1))}
.sortable thead tr{order:-200000}
.sortable caption{order:-200001}
.sortable:has(.falling:checked){--sign:-1}
.sortable tbody tr:last-child>*{border-bottom:1px solid var(--grid)}
${rules.join('\n')}
}`;
}
