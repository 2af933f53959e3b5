// A plugin of typedoc's: files the exports under categories, by their folder, and leaves out what only repeats a base class.
import { CommentTag, Converter, ReflectionKind } from 'typedoc';

/** Categories by the path of the file, the first that fits. The order of the categories on a page is `categoryOrder` in typedoc.json. */
const categories = [
  [/^src\/autograd\/(tensor|tape|host-data)\.ts$/, 'Tensors'],
  [/^src\/kernels\/array\.ts$/, 'Tensors'],
  [/^src\/autograd\//, 'Operators'],
  [/^src\/nn\/layers\//, 'Layers'],
  [/^src\/nn\/(weights\/|initializers\/|regularizers\.ts$)/, 'Weights'],
  [/^src\/training\/metrics\/sparsity\.ts$/, 'Weights'],
  [/^src\/(nn\/graph\/graph|training\/(model|sequential|model-config))\.ts$/, 'Models'],
  [/^src\/applications\//, 'Pretrained networks'],
  [/^src\/(nn\/losses\.ts$|training\/metrics\/|training\/batches\/targets\.ts$)/, 'Losses and metrics'],
  [/^src\/(nn\/optimizers\/|training\/compile-step\.ts$)/, 'Optimizers'],
  [/^src\/training\/callbacks\//, 'Callbacks'],
  [/^src\/io\/(backup|loggers|model-checkpoint|tensorboard)\.ts$/, 'Callbacks'],
  [/^src\/training\/batches\/(array-loader|batch-source|training-data)\.ts$/, 'Data'],
  [/^src\/(nn|training)\//, 'Training'],
  [/^src\/base\/random\.ts$/, 'Training'],
  [/^src\/data\//, 'Data'],
  [/^src\/io\//, 'Files'],
  [/^src\/search\//, 'Search'],
  [/^src\/gpu\//, 'Device'],
  [/^src\/(tuner\/|report\/trace\.ts$)/, 'Profiling and tuning'],
  [/^src\/base\/errors\.ts$/, 'Errors'],
  [/^src\/report\//, 'Reports'],
  [/^src\/cli\//, 'Experiments'],
];

const modules = ReflectionKind.SomeModule | ReflectionKind.Project;

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => dropTwins(project), -50);
  // After typedoc has taken out what is @internal, before it copies comments from base classes.
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => dropRepeated(project), -100);
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => categorize(project, app.logger), -200);
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => reportCoverage(project, app.logger), -1000);
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => checkOptions(project, app.logger), -1000);
}

/**
 * Leaves out what `tilegrad/node` has from `tilegrad`, and what no caller gives: typedoc takes some functions that an object holds, too, for
 * others, and `surplus` is there to refuse arguments that there are not.
 */
function dropTwins(project) {
  const seen = new Set();
  const exported = (project.children ?? []).flatMap(({ children = [] }) => children);
  for (const one of exported) {
    const id = project.getSymbolIdFromReflection(one)?.getStableKey();
    if (seen.has(id)) project.removeReflection(one);
    else if (id !== undefined) seen.add(id);
  }
  const parameters = project.getReflectionsByKind(ReflectionKind.Parameter);
  for (const one of parameters) if (one.name === 'surplus' && one.flags.isRest) project.removeReflection(one);
}

/** Leaves out members by symbols that only messages and consoles ask for. */
const HIDDEN = ['[toStringTag]', '[inspect]', '[fusionRole]'];

/**
 * Leaves out members that say no more than the documentation says elsewhere: those that redeclare a member of another class or interface
 * with the same comment, or without one where a member of that name has one.
 */
function dropRepeated(project) {
  const types = project.getReflectionsByKind(ReflectionKind.ClassOrInterface);
  const members = types.flatMap(({ children = [] }) => children);
  const repeats = (member) =>
    partsOf(member).some(
      ({ overwrites, implementationOf }) => overwrites !== undefined || implementationOf !== undefined,
    );
  const originals = members.filter((one) => !repeats(one) && commentOf(one) !== '');
  const said = new Set(originals.flatMap((one) => [one.name, `${one.name}\n${commentOf(one)}`]));
  for (const one of members) {
    const isRepeated = repeats(one) && said.has([one.name, commentOf(one)].filter(Boolean).join('\n'));
    if (HIDDEN.includes(one.name) || isRepeated) project.removeReflection(one);
  }
}

/** A member with its signatures: comments and what they override are at either. */
const partsOf = (member) => [member, ...member.getAllSignatures()];

/** The words of a comment. Typedoc gives an override without a comment that of its base. */
const commentOf = (member) =>
  partsOf(member)
    .flatMap(({ comment }) => comment?.summary.map(({ text }) => text) ?? [])
    .join('');

/** Gives each export its category, unless its comment names one, and reports one whose file has none. */
function categorize(project, logger) {
  for (const reflection of Object.values(project.reflections)) {
    if (!reflection.parent?.kindOf(ReflectionKind.Module)) continue;
    // One without a comment is left without a category, too: typedoc reports it.
    const comments = partsOf(reflection).flatMap(({ comment }) => comment ?? []);
    if (comments.some((comment) => comment.getTag('@category'))) continue;
    const path = project.getSymbolIdFromReflection(reflection.signatures?.[0] ?? reflection)?.packagePath;
    const category = categories.find(([pattern]) => pattern.test(path ?? ''))?.[1];
    if (category === undefined) logger.error(`${reflection.name} in ${path}: add its file to categories in plugin.mjs`);
    for (const { blockTags } of comments) {
      blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category ?? 'Other' }]));
    }
  }
}

/** Says how many exports, and how many members of classes and types, have a comment. */
function reportCoverage(project, logger) {
  const documented = (all) => `${all.filter((one) => commentOf(one) !== '').length} of ${all.length}`;
  const isExport = ({ parent, kind }) => parent?.kindOf(modules) && !(kind & (modules | ReflectionKind.Reference));
  const declared = Object.values(project.reflections).filter((one) => one.isDeclaration());
  const members = declared.filter(({ parent, kind }) => {
    return parent?.kindOf(ReflectionKind.ClassOrInterface) && kind & ReflectionKind.SomeMember;
  });
  for (const member of members.filter((one) => commentOf(one) === '')) {
    logger.error(`${member.getFullName()} has no comment that says what it is`); // tags alone count as documented for typedoc
  }
  logger.info(`Documented: ${documented(declared.filter(isExport))} exports, ${documented(members)} of their members`);
}

/** Options that are written out where a function takes them need a comment, too, or a `@param options.name`: typedoc lets them be. */
function checkOptions(project, logger) {
  for (const property of project.getReflectionsByKind(ReflectionKind.Property)) {
    const literal = property.parent;
    const isOption = literal?.kindOf(ReflectionKind.TypeLiteral) && literal.parent?.kindOf(ReflectionKind.Parameter);
    if (!isOption || property.hasComment()) continue;
    const { fileName, line } = property.sources?.[0] ?? {};
    logger.error(`${property.getFriendlyFullName()}, ${fileName}:${line}, does not have any documentation`);
  }
}
