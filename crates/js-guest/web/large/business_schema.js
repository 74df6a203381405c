// What a model made, held against the schema that it was asked to keep. Of JSON Schema what such schemas use.
(function (native) {
  'use strict';
  const { isObject } = native;
  const { hasOwn, keys } = Object;
  const isArray = Array.isArray;
  const stringify = JSON.stringify;

  const kindOf = (value) => (value === null ? 'null' : isArray(value) ? 'array' : typeof value);
  const isOfType = (value, type) => kindOf(value) === type || (type === 'integer' && Number.isInteger(value));
  const same = (one, other) => stringify(one) === stringify(other);

  // Where and why a value is not what a schema says; undefined where it is.
  const problem = (value, schema, place) => {
    if (schema === false) return `${place}: must not be there`;
    if (!isObject(schema)) return undefined;
    const { type, enum: words, const: constant, properties, required, additionalProperties, items, anyOf } = schema;
    const types = type === undefined ? [] : isArray(type) ? type : [type];
    if (types.length > 0 && !types.some((one) => isOfType(value, one))) {
      return `${place}: must be ${types.join(' or ')}`;
    }
    if (isArray(words) && !words.some((word) => same(word, value))) {
      return `${place}: must be one of ${stringify(words)}`;
    }
    if (hasOwn(schema, 'const') && !same(constant, value)) return `${place}: must be ${stringify(constant)}`;
    if (isArray(anyOf) && anyOf.every((one) => problem(value, one, place) !== undefined)) {
      return `${place}: is none of what it may be`;
    }
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const found = problem(value[i], items, `${place}[${i}]`);
        if (found !== undefined) return found;
      }
    } else if (isObject(value)) {
      for (const name of isArray(required) ? required : []) {
        if (!hasOwn(value, name)) return `${place}.${name}: is missing`;
      }
      for (const name of keys(value)) {
        const known = isObject(properties) && hasOwn(properties, name) ? properties[name] : additionalProperties;
        const found = problem(value[name], known, `${place}.${name}`);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  native.schemaProblem = (value, schema) => problem(value, schema, 'result');
})
