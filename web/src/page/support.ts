/** Shows the parts that the page needs for WebGPU and that are missing. */
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
