/** Says in one sentence whether two models agree on a picture. Nothing here touches the page. */

/** Say it of two answers, each `{ who, best, isSure }`; null is one that did not come. */
export function agreementOf(one, other) {
  if (!one && !other) return '';
  if (!one || !other) return 'Only one of them has answered: there is nothing to compare.';
  if (one.who === other.who) return `Both answers are from ${one.who}.`;
  const isSame = one.best.toLowerCase() === other.best.toLowerCase();
  return isSame ? agreeing(one, other) : disagreeing(one, other);
}

function agreeing(one, other) {
  if (one.isSure && other.isSure) return `They agree: both say ${one.best}.`;
  if (!one.isSure && !other.isSure) return `Both put ${one.best} first, but neither is sure.`;
  const unsure = one.isSure ? other : one;
  return `Both put ${one.best} first, but ${unsure.who} is not sure.`;
}

function disagreeing(one, other) {
  if (!one.isSure && !other.isSure) {
    return `They disagree, and neither is sure: ${first(one)}, ${first(other)}.`;
  }
  return `They disagree: ${said(one)}, ${said(other)}.`;
}

const first = ({ who, best }) => `${who} puts ${best} first`;

const said = (one) => (one.isSure ? `${one.who} says ${one.best}` : `${first(one)} but is not sure`);
