/** A property of V8 that the library sets if it exists. */
interface ErrorConstructor {
  stackTraceLimit: number;
}
