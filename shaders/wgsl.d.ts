// A `.wgsl` file imports as its text: esbuild's text loader in builds, a five-line plugin in vitest.config.ts in tests.
declare module '*.wgsl' {
  const source: string;
  export default source;
}
