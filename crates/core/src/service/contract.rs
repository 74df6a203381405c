//! One declaration per service, and everything that follows from it: the trait that backends implement, the types
//! of its parameters, its part of the method table, and the way from JSON to a typed call and back.

/// Declares a service.
///
/// ```ignore
/// contract! {
///     /// What the service is.
///     trait Queue for Service::Queue;
///
///     /// What the method does.
///     write send(Send {
///         /// What the parameter means.
///         queue: String,
///         options: Option<SendOptions>,
///     }) -> Sent, fails with [Quota];
///
///     read get_job = "getJob"(GetJob { id: String }) -> Option<Job>;
/// }
/// ```
///
/// Parameters stand in the order in which they are given by position; an `Option` may be absent. A method whose
/// last parameter is `options` takes its options there.
macro_rules! contract {
    (
        $(#[doc = $about:literal])*
        trait $Trait:ident for $service:path;
        $(
            $(#[doc = $docs:literal])*
            $effect:ident $method:ident $(= $wire:literal)? ($Params:ident {
                $( $(#[doc = $field_docs:literal])* $field:ident: $type:ty ),* $(,)?
            }) -> $Output:ty $(, fails with [$($code:ident),* $(,)?])?;
        )+
    ) => {
        $(
            #[doc = concat!("Parameters of [`", stringify!($Trait), "::", stringify!($method), "`].")]
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $Params {
                $( $(#[doc = $field_docs])* pub $field: $type, )*
            }
        )+

        $(#[doc = $about])*
        #[async_trait::async_trait]
        pub trait $Trait: ::core::marker::Send + ::core::marker::Sync + 'static {
            $(
                $(#[doc = $docs])*
                async fn $method(
                    &self,
                    scope: &$crate::scope::Scope,
                    params: $Params,
                ) -> Result<$Output, $crate::service::ServiceError>;
            )+

            /// Is it well? What is asked often should answer from what it knows.
            fn health(&self) -> $crate::service::Health {
                $crate::service::Health::Ok
            }
        }

        /// What the service is.
        pub(crate) const DOCS: &str = concat!($($about, "\n",)* "").trim_ascii();

        /// This service's part of the method table.
        pub(crate) fn methods() -> Vec<$crate::service::Method> {
            vec![$({
                fn input(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    <$Params as schemars::JsonSchema>::json_schema(generator)
                }
                fn output(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    generator.subschema_for::<$Output>()
                }
                $crate::service::Method {
                    service: $service,
                    name: contract!(@wire $method $($wire)?),
                    docs: concat!($($docs, "\n",)* "").trim_ascii(),
                    parameters: $crate::service::Method::parameters(&[$(stringify!($field)),*], input),
                    effect: contract!(@effect $effect),
                    errors: &[$($($crate::service::Code::$code),*)?],
                    input,
                    output,
                }
            }),+]
        }

        #[async_trait::async_trait]
        impl $crate::service::Backend for std::sync::Arc<dyn $Trait> {
            async fn call(
                &self,
                scope: &$crate::scope::Scope,
                method: &'static $crate::service::Method,
                arguments: $crate::service::Arguments,
            ) -> Result<Box<serde_json::value::RawValue>, $crate::service::ServiceError> {
                match method.name {
                    $(
                        contract!(@wire $method $($wire)?) => {
                            let result = self.$method(scope, arguments.read(method)?).await?;
                            $crate::service::backend::json(&result)
                        }
                    )+
                    _ => Err(method.not_here()),
                }
            }

            fn health(&self) -> $crate::service::Health {
                $Trait::health(&**self)
            }
        }
    };
    (@wire $method:ident) => { stringify!($method) };
    (@wire $method:ident $wire:literal) => { $wire };
    (@effect read) => { $crate::service::Effect::Read };
    (@effect write) => { $crate::service::Effect::Write };
}
