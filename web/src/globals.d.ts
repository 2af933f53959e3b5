/** V8's, which the library sets where it is there. */
interface ErrorConstructor {
  stackTraceLimit: number;
}
