import type { Block } from './content.ts';

interface WithSections {
  sections: { title: string; blocks: Block[] }[];
}

/**
 * Makes the names of figures unique, which the page and the files need: of two plots of one kind, the second becomes `history-loss-2`. The
 * first keeps its name, and no figure gets the original name of another.
 */
export function withUniqueNames<T extends WithSections>(content: T): T {
  const names = content.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) => (block.type === 'figure' ? [block.figure.name] : [])),
  );
  const takenNames = new Set(names);
  if (takenNames.size === names.length) return content;
  const seen = new Set<string>();
  const makeUnique = (name: string) => {
    let candidate = name;
    for (let n = 2; seen.has(name) && takenNames.has(candidate); n++) {
      const ending = `-${n}`;
      candidate = name.slice(0, MAX_NAME_LENGTH - ending.length) + ending;
    }
    seen.add(name);
    takenNames.add(candidate);
    return candidate;
  };
  const renameFigure = (block: Block): Block =>
    block.type === 'figure' ? { ...block, figure: { ...block.figure, name: makeUnique(block.figure.name) } } : block;
  return {
    ...content,
    sections: content.sections.map((section) => ({ ...section, blocks: section.blocks.map(renameFigure) })),
  };
}

/** Maximum length of a figure's name: see `heading` of its schema. */
const MAX_NAME_LENGTH = 80;
