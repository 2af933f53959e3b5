/** tilegrad in Node: everything of `tilegrad`, and what only Node has. */
export { openDevice } from './gpu/dawn.ts';
export * from './index.ts';
