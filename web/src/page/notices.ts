/** Says something above the page until it is closed. Said again, it is last in the list, and still there once. */
export function showNotice(message: string): void {
  const list = document.getElementById('notices')!;
  const item = document.createElement('li');
  item.className = 'notice';
  const text = document.createElement('span');
  text.textContent = message;
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Close';
  close.addEventListener('click', () => item.remove());
  item.append(text, close);
  for (const other of list.children) if (other.firstElementChild?.textContent === message) other.remove();
  list.append(item);
}
