import { z } from 'zod';
import { ArgumentError } from '../base/errors.ts';
import { section as sectionSchema } from './content.ts';
import { type Drawing, drawFigure } from './draw.ts';
import { documentPage } from './html.ts';
import { firstIssue } from './issue.ts';
import { withUniqueNames } from './unique-names.ts';

/** The content of a page. */
export const documentContent = z.object({
  title: z.string().min(1),
  introduction: z.array(z.string()),
  sections: z.array(sectionSchema).min(1),
});

/** Checks the content of a page, and adds defaults. @throws ArgumentError for invalid content */
export function checkDocument(subject: string, content: unknown): z.output<typeof documentContent> {
  let plain: unknown;
  try {
    plain = JSON.parse(JSON.stringify(content)); // NaN and Infinity become null, and only plain data is left
  } catch (cause) {
    throw new ArgumentError(`${subject}: a report cannot be made of this: ${(cause as Error).message}`, { cause });
  }
  const { success, data, error } = documentContent.safeParse(plain);
  if (!success) throw new ArgumentError(`${subject}: a report cannot be made of this: ${firstIssue(error)}`);
  return withUniqueNames(data);
}

/** Draws the figures of a page, and the page. @throws MissingPackageError */
export async function drawPage(
  content: z.output<typeof documentContent> | z.input<typeof documentContent>,
): Promise<string> {
  const checked = checkDocument('drawPage', content);
  const drawings = new Map<string, Drawing>();
  for (const { blocks } of checked.sections) {
    for (const block of blocks) {
      if (block.type === 'figure') drawings.set(block.figure.name, await drawFigure(block.figure));
    }
  }
  return documentPage(checked, drawings);
}
