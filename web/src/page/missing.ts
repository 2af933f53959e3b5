import type { Missing } from '../snapshot.ts';

/**
 * The missing parts that the page needs for WebGPU, each with what to do about it.
 * @param missing the part that the worker lacks
 * @param message why it could not open a device
 */
export async function missingParts(
  missing: Missing,
  message: string,
  navigator: { gpu?: GPU; userAgent: string },
  { isSecureContext }: { isSecureContext: boolean },
): Promise<string[]> {
  if (!isSecureContext) {
    return ['https: browsers have WebGPU on secure pages only. Open this page by https, or by http://localhost.'];
  }
  const flag = flagOf(navigator.userAgent);
  if (!navigator.gpu) {
    return [
      'Browser: this one has no WebGPU (navigator.gpu is undefined). Chrome and Edge have it from 113, Safari from 26, and Firefox from 141 on Windows and 145 on macOS.',
      flag,
    ];
  }
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (!adapter) {
    return [
      'Driver: the browser has WebGPU, but finds no graphics adapter that it trusts. Update the graphics driver, and switch hardware acceleration on in the settings of the browser.',
      flag,
    ];
  }
  return missing === 'webgpu'
    ? ['Worker: this browser has WebGPU in pages, but not in workers, where this page trains. Update the browser.']
    : [`Device: the graphics adapter was found, but could not be opened. ${message}`];
}

function flagOf(userAgent: string): string {
  if (/firefox/i.test(userAgent)) return 'Flag: in Firefox, dom.webgpu.enabled in about:config switches WebGPU on.';
  if (/chrom|edg/i.test(userAgent)) {
    return 'Flag: in Chrome, Edge and Chromium, chrome://flags/#enable-unsafe-webgpu switches WebGPU on for adapters that are off by default, as on Linux.';
  }
  return 'Flag: in Safari, WebGPU is among the feature flags of the Develop menu.';
}
