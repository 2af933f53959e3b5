// A plugin of typedoc's: files the exports under categories, by their folder, and leaves out what only repeats a base class.
import { CommentTag, Converter, ReflectionKind } from 'typedoc';

/** Categories by the path of the file, the first that fits. The order of the categories on a page is `categoryOrder` in typedoc.json. */
const categories = [
  [/^src\/autograd\/(tensor|tape|host-data)\.ts$/, 'Tensors'],
  [/^src\/kernels\/array\.ts$/, 'Tensors'],
  [/^src\/autograd\//, 'Operators'],
  [/^src\/nn\/layers\//, 'Layers'],
  [/^src\/nn\/(initializers|regularizers|parameters)\.ts$/, 'Weights'],
  [/^src\/nn\/(initial-weights|weight-copy|sparsity)\.ts$/, 'Weights'],
  [/^src\/nn\/(model|sequential|graph|config)\.ts$/, 'Models'],
  [/^src\/(nn\/mobilenet-v2\.ts$|applications\/)/, 'Pretrained networks'],
  [/^src\/nn\/(losses|metrics|value-metrics|confusion-matrix|targets)\.ts$/, 'Losses and metrics'],
  [/^src\/nn\/(optimizers\/|schedules\.ts$|compile-step\.ts$)/, 'Optimizers'],
  [/^src\/nn\/(callbacks\/|callbacks\.ts$|monitor\.ts$)/, 'Callbacks'],
  [/^src\/io\/(backup|loggers|model-checkpoint|tensorboard)\.ts$/, 'Callbacks'],
  [/^src\/nn\/(array-loader|batch-source|training-data)\.ts$/, 'Data'],
  [/^src\/nn\//, 'Training'],
  [/^src\/random\.ts$/, 'Training'],
  [/^src\/data\//, 'Data'],
  [/^src\/io\//, 'Files'],
  [/^src\/search\//, 'Search'],
  [/^src\/gpu\//, 'Device'],
  [/^src\/(tuner\/|report\/trace\.ts$)/, 'Profiling and tuning'],
  [/^src\/errors\.ts$/, 'Errors'],
  [/^src\/report\//, 'Reports'],
  [/^src\/cli\//, 'Experiments'],
];

const entries = ReflectionKind.Module | ReflectionKind.Project;

/** @param {import('typedoc').Application} app */
export function load(app) {
  // After typedoc has taken out what is @internal, before it copies comments from base classes.
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => dropBareOverrides(project), -100);
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => categorize(project, app.logger), -200);
}

/** Leaves out members by symbols that only messages and consoles ask for. */
const HIDDEN = ['[toStringTag]', '[inspect]', '[fusing]'];

/** Leaves out overrides that say no more than the member they override, or implement, of another class or interface. */
function dropBareOverrides(project) {
  const members = project.getReflectionsByKind(ReflectionKind.ClassMember);
  const ofTypes = members.filter(({ parent }) => parent?.kindOf(ReflectionKind.ClassOrInterface));
  const isOverride = (member) => partsOf(member).some((part) => part.overwrites ?? part.implementationOf);
  const originals = new Set(
    ofTypes.filter((one) => !isOverride(one) && !partsOf(one).some((part) => part.inheritedFrom)).map(keyOf),
  );
  const isBare = (member) => isOverride(member) && originals.has(keyOf(member));
  for (const one of ofTypes) if (HIDDEN.includes(one.name) || isBare(one)) project.removeReflection(one);
}

/** A member with its signatures: comments and what they override are at either. */
const partsOf = (member) => [member, ...member.getAllSignatures()];

/** Name and comment. Typedoc gives an override without a comment that of its base. */
const keyOf = (member) => {
  const comments = partsOf(member).flatMap(({ comment }) => comment?.summary.map(({ text }) => text) ?? []);
  return [member.name, ...comments].join('\n');
};

/** Gives each export its category, and reports one whose file has none. */
function categorize(project, logger) {
  for (const reflection of Object.values(project.reflections)) {
    if (!reflection.parent?.kindOf(entries) || reflection.kindOf(entries | ReflectionKind.Reference)) continue;
    const path = project.getSymbolIdFromReflection(reflection.signatures?.[0] ?? reflection)?.packagePath;
    const category = categories.find(([pattern]) => pattern.test(path ?? ''))?.[1];
    if (category === undefined) logger.error(`${reflection.name} in ${path}: add its file to categories in plugin.mjs`);
    // One without a comment is left without a category, too: typedoc reports it.
    for (const one of reflection.signatures ?? [reflection]) {
      one.comment?.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category ?? 'Other' }]));
    }
  }
}
