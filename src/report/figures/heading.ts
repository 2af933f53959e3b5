import { z } from 'zod';

/** A value of a plot. JSON has no NaN or Infinity: they are written as `null`, and left out of the drawing. */
export const value = z.number().nullable();

/** Fields of every figure. */
export const heading = {
  /** Name of its files, without ending. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,79}$/, 'a name of lowercase letters, digits and hyphens'),
  /** Title of the drawing. */
  title: z.string().min(1),
  /** A line each, below the title. */
  subtitle: z.array(z.string()).optional(),
};
