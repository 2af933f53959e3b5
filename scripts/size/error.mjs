import { OutOfMemoryError } from 'tilegrad';

export const isOutOfMemory = (error) => error instanceof OutOfMemoryError;
