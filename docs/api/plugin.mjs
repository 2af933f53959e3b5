// A plugin of typedoc's: files the exports under categories, by their folder, and leaves out what only repeats a base class.
import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc';

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

/** Leaves out overrides without a comment: the base class, or the interface, says what they do. */
function dropBareOverrides(project) {
  const members = project.getReflectionsByKind(ReflectionKind.ClassMember);
  const bare = members.filter((member) => {
    if (!member.parent?.kindOf(ReflectionKind.Class) || hasComment(member)) return false;
    const [signature] = member.signatures ?? [member.getSignature ?? member];
    const base = member.overwrites ?? signature.overwrites ?? member.implementationOf ?? signature.implementationOf;
    return isDocumented(base, project);
  });
  for (const member of bare) project.removeReflection(member);
}

const hasComment = (reflection) =>
  [reflection, ...(reflection.signatures ?? []), reflection.getSignature, reflection.setSignature].some((one) =>
    one?.hasComment(),
  );

/** Whether `reference`, such as `Layer.call`, is to a member that the documentation has. */
function isDocumented(reference, project) {
  if (!reference) return false;
  const [owner, ...path] = reference.name.split('.');
  const classes = project.getReflectionsByKind(ReflectionKind.ClassOrInterface);
  return classes.some((one) => one.name === owner && one.getChildByName([path.join('.')]) !== undefined);
}

/** Gives each export its category, and reports one whose file has none. */
function categorize(project, logger) {
  for (const reflection of Object.values(project.reflections)) {
    if (!reflection.parent?.kindOf(entries) || reflection.kindOf(entries | ReflectionKind.Reference)) continue;
    const path = project.getSymbolIdFromReflection(reflection.signatures?.[0] ?? reflection)?.packagePath;
    const category = categories.find(([pattern]) => pattern.test(path ?? ''))?.[1];
    if (category === undefined) logger.error(`${reflection.name} in ${path}: add its file to categories in plugin.mjs`);
    const target = reflection.signatures?.[0] ?? reflection;
    target.comment ??= new Comment();
    reflection.comment ??= reflection.signatures ? new Comment() : target.comment;
    for (const one of reflection.signatures ?? [reflection]) {
      one.comment?.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category ?? 'Other' }]));
    }
  }
}
