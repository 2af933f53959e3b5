import type { Block } from './content.ts';

interface WithSections {
  sections: { title: string; blocks: Block[] }[];
}

/**
 * Two plots of one kind have one name, of which a page, and its folder, can have one alone: the second becomes `history-loss-2`. The
 * first keeps its name, and none takes one that another was given.
 */
export function withUniqueNames<T extends WithSections>(content: T): T {
  const given = content.sections.flatMap(({ blocks }) =>
    blocks.flatMap((one) => (one.type === 'figure' ? [one.figure.name] : [])),
  );
  const taken = new Set(given);
  if (taken.size === given.length) return content;
  const seen = new Set<string>();
  const unique = (name: string) => {
    let found = name;
    for (let n = 2; seen.has(name) && taken.has(found); n++) {
      const ending = `-${n}`;
      found = name.slice(0, LONGEST_NAME - ending.length) + ending;
    }
    seen.add(name);
    taken.add(found);
    return found;
  };
  const named = (block: Block): Block =>
    block.type === 'figure' ? { ...block, figure: { ...block.figure, name: unique(block.figure.name) } } : block;
  return { ...content, sections: content.sections.map((one) => ({ ...one, blocks: one.blocks.map(named) })) };
}

/** Of the name of a figure: see `heading` of its schema. */
const LONGEST_NAME = 80;
