// Dates in UTC: written, read, reckoned with, told in words.
import * as fns from 'date-fns';
import { de, fr, ja } from 'date-fns/locale';

const at = new Date('2024-02-29T23:05:09.042Z');
const later = new Date('2026-11-24T15:40:00Z');
const TOKENS = [
  'yyyy-MM-dd',
  "EEEE, do MMMM y 'at' HH:mm:ss.SSS",
  'PPPPpppp',
  'Pp',
  'hh:mm aaaa',
  'QQQ w I R',
  'DDD D',
  'G GGGG',
  'xxx XXX O OOOO z',
  't T',
  'eeee c i',
  'bbbb BBBB',
];

const attempt = (what: () => unknown) => {
  try {
    return what();
  } catch (error) {
    return String(error);
  }
};
const cases: Record<string, () => unknown> = {
  formats: () =>
    TOKENS.map((token) =>
      attempt(() => fns.format(at, token, { useAdditionalWeekYearTokens: true, useAdditionalDayOfYearTokens: true })),
    ),
  locales: () =>
    [de, fr, ja].map((locale) => [
      fns.format(at, 'PPPP', { locale }),
      fns.formatDistance(at, later, { locale, addSuffix: true }),
      fns.formatRelative(fns.subDays(later, 2), later, { locale }),
    ]),
  iso: () => [
    fns.formatISO(at),
    fns.formatRFC3339(at, { fractionDigits: 3 }),
    fns.formatRFC7231(at),
    fns.formatISO9075(at),
    fns.lightFormat(at, 'dd/MM/yy'),
  ],
  parsed: () => [
    fns.parse('29. Februar 2024 18:30', 'd. MMMM yyyy HH:mm', at, { locale: de }),
    fns.parseISO('2024-W09-4'),
    fns.parseISO('2024-060T12:00+05:30'),
    fns.parse('02/11/14', 'MM/dd/yy', at),
  ],
  invalid: () => [
    fns.isValid(fns.parse('30.02.2024', 'dd.MM.yyyy', at)),
    fns.isValid(fns.parseISO('x')),
    attempt(() => fns.format(new Date(NaN), 'y')),
  ],
  reckoned: () => [
    fns.addMonths(at, 12),
    fns.subYears(at, 1),
    fns.addBusinessDays(at, 10),
    fns.endOfMonth(at),
    fns.startOfWeek(at, { weekStartsOn: 1 }),
    fns.startOfISOWeekYear(at),
    fns.lastDayOfQuarter(at),
    fns.add(at, { years: 1, weeks: 2, hours: 3 }),
    fns.nextFriday(at),
    fns.setDay(at, 3),
    fns.roundToNearestMinutes(at, { nearestTo: 15 }),
  ],
  between: () => [
    fns.differenceInCalendarDays(later, at),
    fns.differenceInMonths(later, at),
    fns.differenceInBusinessDays(later, at),
    fns.intervalToDuration({ start: at, end: later }),
    fns.formatDuration({ years: 2, months: 9 }),
    fns.formatDistanceStrict(at, later, { unit: 'month' }),
    fns.areIntervalsOverlapping({ start: at, end: later }, { start: later, end: fns.addDays(later, 1) }),
  ],
  each: () => [
    fns.eachMonthOfInterval({ start: at, end: later }).length,
    fns.eachWeekendOfMonth(at),
    fns.eachDayOfInterval({ start: at, end: fns.addDays(at, 2) }),
  ],
  facts: () => [
    fns.isLeapYear(at),
    fns.getISOWeek(at),
    fns.getDayOfYear(at),
    fns.getUnixTime(at),
    fns.isWeekend(at),
    fns.getDaysInMonth(at),
    fns.max([at, later]),
    fns.closestTo(at, [later, fns.addDays(at, 1)]),
  ],
  zone: () => [new Date(2024, 6, 1, 12).toISOString(), at.getTimezoneOffset(), at.getHours(), fns.toDate(0)],
};

export default {
  fetch: () => Response.json(Object.fromEntries(Object.entries(cases).map(([name, what]) => [name, what()]))),
};
