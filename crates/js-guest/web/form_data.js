// FormData: a flat list of names and values, each a string or a File.
(function (native, globalThis) {
  'use strict';
  const {
    arity, blobType, bytesOfBlob, define, defineIterable, isBlob, isFile, isObject, makeBlob, makeFile, multipartEncode, usv,
  } = native;

  // A Blob becomes a File; a File given another name becomes another File.
  const valueOf = (given, value, fileName, what) => {
    if (isObject(value) && isBlob(value)) {
      const name = given > 2 && fileName !== undefined ? usv(fileName) : undefined;
      if (name === undefined && isFile(value)) return value;
      return makeFile(value, name ?? 'blob', isFile(value) ? native.fileModified(value) : undefined);
    }
    if (given > 2) throw new TypeError(`${what}: only a Blob can have a file name`);
    return usv(value);
  };

  class FormData {
    #list = [];
    constructor(form = undefined) {
      if (form !== undefined) throw new TypeError('FormData: there are no form elements here');
    }
    append(name, value, fileName = undefined) {
      const list = this.#list;
      arity(arguments.length, 2, 'FormData.append');
      name = usv(name);
      value = valueOf(arguments.length, value, fileName, 'FormData.append');
      list[list.length] = name;
      list[list.length] = value;
    }
    delete(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'FormData.delete');
      native.removeName(list, usv(name));
    }
    get(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'FormData.get');
      name = usv(name);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
      return null;
    }
    getAll(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'FormData.getAll');
      name = usv(name);
      const values = [];
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) values[values.length] = list[i + 1];
      return values;
    }
    has(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'FormData.has');
      name = usv(name);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
      return false;
    }
    set(name, value, fileName = undefined) {
      const list = this.#list;
      arity(arguments.length, 2, 'FormData.set');
      name = usv(name);
      native.replaceName(list, name, valueOf(arguments.length, value, fileName, 'FormData.set'));
    }
    static {
      defineIterable(FormData, (form) => form.#list);
      native.brand((v) => #list in v);
      native.isFormData = (v) => isObject(v) && #list in v;
      // Body and boundary.
      native.encodeForm = (form) => {
        const list = form.#list;
        const parts = [];
        for (let i = 0; i < list.length; i += 2) {
          const value = list[i + 1];
          const file = isObject(value);
          parts[2 * i] = list[i];
          parts[2 * i + 1] = file ? native.fileName(value) : undefined;
          parts[2 * i + 2] = file ? blobType(value) : undefined;
          parts[2 * i + 3] = file ? bytesOfBlob(value) : value;
        }
        return multipartEncode(parts);
      };
      // From a list as `multipartParse` or `formParse` gives it.
      native.formOfParts = (parts) => {
        const form = new FormData();
        const list = form.#list;
        for (let i = 0; i < parts.length; i += 4) {
          const fileName = parts[i + 1];
          list[list.length] = parts[i];
          list[list.length] = fileName === undefined ? parts[i + 3] : makeFile(makeBlob(parts[i + 3], parts[i + 2]), fileName, undefined);
        }
        return form;
      };
      native.formOfPairs = (pairs) => {
        const form = new FormData();
        form.#list = pairs;
        return form;
      };
    }
  }
  define(FormData);
})
