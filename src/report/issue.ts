import type { z } from 'zod';

/** Returns the first issue of an error with its path: `sections.0.title: ...`. */
export function firstIssue(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`;
}
