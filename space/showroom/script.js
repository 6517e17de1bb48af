// What Gradio has no part for: the address of a view, a file made here, the drawer of a row.
window.shop = {
  asked: location.search, // what the link says, before a part of the page that has just been built tells anything
  opened: false,
  tell(query) {
    if (!shop.opened) return;
    const kept = new URLSearchParams(location.search).get('__theme');
    const parts = [query, kept ? `__theme=${encodeURIComponent(kept)}` : ''].filter(Boolean).join('&');
    history.replaceState(null, '', location.pathname + (parts ? `?${parts}` : '') + location.hash);
  },
  save(name, text) {
    const address = URL.createObjectURL(new Blob([text], {type: 'text/csv;charset=utf-8'}));
    const link = Object.assign(document.createElement('a'), {href: address, download: name});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  },
  async copy(id) {
    const button = document.querySelector(`#${id}`);
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = 'Copied';
    } catch {
      window.prompt('Copy this link:', location.href);
    }
    setTimeout(() => { button.textContent = said; }, 1500);
  },
  drawer(id) {
    for (const drawer of document.querySelectorAll('.drawer')) drawer.classList.toggle('open', drawer.id === id);
    const drawer = document.querySelector('.drawer.open');
    if (drawer) {
      shop.back = document.activeElement;
      drawer.scrollTop = 0;
      drawer.querySelector('.close')?.focus();
    } else if (shop.back?.isConnected) {
      shop.back.focus();
    }
  },
};
const drawn = () => document.querySelector('.drawer.open');
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && drawn()) shop.drawer('');
});
document.addEventListener('pointerdown', (event) => {
  if (drawn() && !event.target.closest('.drawer')) shop.drawer('');
});
