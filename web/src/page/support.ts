/** Says what a page needs for WebGPU and does not have. */
export function showSupport(root: HTMLElement, parts: readonly string[]): void {
  const list = document.createElement('ul');
  for (const part of parts) {
    const item = document.createElement('li');
    item.textContent = part;
    list.append(item);
  }
  root.querySelector('.panel')!.replaceChildren(list);
  root.hidden = false;
}
