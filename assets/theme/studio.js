// Small things the page does by itself: keys, places in time, drag and drop. Everything else is Python.
(() => {
  const FRAME_S = 1 / 24, SPEEDS = [1, 2, 4];
  const typing = el => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) && el.type !== 'range');
  const seen = el => el && el.offsetParent !== null;
  const videos = () => [...document.querySelectorAll('.monitor video')].filter(seen);
  // whose time counts: the first clip's, but of a trial beside the clip it is a part of, the trial's
  const leader = all => all[0].closest('[data-from]') ? all[all.length - 1] : all[0];

  // space plays; J K L shuttle; arrows step frames; S stops the job
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (key === 's') {
      const stop = [...document.querySelectorAll('button.stop')].find(seen);
      if (stop) { stop.click(); event.preventDefault(); }
      return;
    }
    const all = videos();
    if (!all.length || event.target.type === 'range') return;
    if (key === ' ') {
      if (event.target.closest && event.target.closest('button, a, video, label')) return;
      const pause = !all[0].paused;
      all.forEach(v => pause ? v.pause() : v.play());
    } else if (key === 'k') all.forEach(v => { v.pause(); v.playbackRate = 1; });
    else if (key === 'l') all.forEach(v => {
      if (!v.paused) v.playbackRate = SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(v.playbackRate) + 1)] || 1;
      v.play();
    });
    else if (key === 'j') all.forEach(v => { v.pause(); v.currentTime = Math.max(0, v.currentTime - 0.5); });
    else if (key === 'arrowleft' || key === 'arrowright') {
      if (event.target.closest && event.target.closest('[role=tab], [role=radiogroup]')) return;
      all.forEach(v => { v.pause(); v.currentTime += key === 'arrowleft' ? -FRAME_S : FRAME_S; });
    } else return;
    event.preventDefault();
  });

  // a place in time: every clip on the monitor goes there and rests
  document.addEventListener('click', event => {
    const at = event.target.closest && event.target.closest('[data-seek]');
    if (at) videos().forEach(v => { v.pause(); v.currentTime = parseFloat(at.dataset.seek); });
  });

  // a scene of the script: the board goes to it
  document.addEventListener('click', event => {
    const at = event.target.closest && event.target.closest('[data-goto]');
    const there = at && document.getElementById(at.dataset.goto);
    if (there) there.scrollIntoView({block: 'start', behavior: 'smooth'});
  });

  // a correction or a trial of what is shown: the moment goes with the click, so it is written down before anyone else
  // hears of it
  document.addEventListener('click', event => {
    const here = event.target.closest && event.target.closest('[data-do=correct-here], [data-do=try-here]');
    if (here) here.dataset.at = videos().length ? leader(videos()).currentTime : '';
  }, true);

  // a performer dropped on a person plays them, as a press on their name there does
  let dragged = '';
  document.addEventListener('dragstart', event => {
    const member = event.target.closest && event.target.closest('[data-member][draggable]');
    dragged = member ? member.dataset.member : '';
  });
  const over = event => dragged && event.target.closest && event.target.closest('[data-person].cast, figure[data-person]');
  document.addEventListener('dragover', event => {
    const person = over(event);
    document.querySelectorAll('figure.over').forEach(el => el !== person && el.classList.remove('over'));
    if (person) { event.preventDefault(); person.classList.add('over'); }
  });
  document.addEventListener('drop', event => {
    const person = over(event);
    if (!person) return;
    event.preventDefault();
    person.classList.remove('over');
    const name = person.querySelector(`[data-do=play][data-member="${dragged}"]`);
    if (name && name.getAttribute('aria-pressed') !== 'true') name.click();
  });

  // what went wrong is said where it can be read, not behind the button at the foot of the column
  new MutationObserver(changes => {
    for (const change of changes) {
      const pane = change.addedNodes.length && change.target.closest && change.target.closest('.side .said');
      const say = pane && !pane.closest('.foot') && pane.querySelector('.say');
      if (say) say.scrollIntoView({block: 'nearest'});
    }
  }).observe(document.documentElement, {childList: true, subtree: true});
  // a shot dropped beside another of its scene goes there, as its arrows do
  let shot = null;
  const beside = event => {
    const at = shot && event.target.closest && event.target.closest('#board .shot');
    if (!at || at === shot || at.parentElement !== shot.parentElement) return null;
    const box = at.getBoundingClientRect();
    return {at, after: event.clientX > box.left + box.width / 2};
  };
  const unmark = () => document.querySelectorAll('.shot.before, .shot.after').forEach(
    el => el.classList.remove('before', 'after'));
  document.addEventListener('dragstart', event => {
    shot = event.target.closest && event.target.closest('#board .shot[draggable]');
    if (!shot) return;
    event.dataTransfer.effectAllowed = 'move';
    event.dataTransfer.setData('text/plain', '');  // some browsers drag nothing that holds nothing
  });
  document.addEventListener('dragend', () => { shot = null; unmark(); });
  document.addEventListener('dragover', event => {
    const place = beside(event);
    unmark();
    if (place) { event.preventDefault(); place.at.classList.add(place.after ? 'after' : 'before'); }
  });
  document.addEventListener('drop', event => {
    const place = beside(event);
    unmark();
    if (!place) return;
    event.preventDefault();
    const cards = [...shot.parentElement.children].filter(el => el !== shot);
    const next = place.after ? cards[cards.indexOf(place.at) + 1] : place.at;
    const act = document.createElement('button');
    Object.assign(act.dataset, {do: 'place', key: shot.dataset.shot, before: next ? next.id.slice('shot-'.length) : ''});
    act.hidden = true;
    shot.parentElement.append(act);
    act.click();
    act.remove();
  });

  // Ctrl+Z undoes the last step on the board, Ctrl+Shift+Z or Ctrl+Y does it again; fields of text have their own
  document.addEventListener('keydown', event => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || typing(event.target) || !'zy'.includes(key)) return;
    const again = key === 'y' || event.shiftKey;
    const step = document.querySelector(`#board-history [data-do=${again ? 'redo' : 'undo'}]`);
    if (seen(step) && !step.disabled) { step.click(); event.preventDefault(); }
  });

  // a clip in a tab nobody looks at rests
  setInterval(() => {
    for (const video of document.querySelectorAll('.monitor video')) {
      if (!seen(video) && !video.paused) { video.pause(); video.dataset.rests = '1'; }
      else if (seen(video) && video.dataset.rests) { delete video.dataset.rests; video.play().catch(() => {}); }
    }
  }, 200);
})();
