//! An attack in a line: its name, its id, its goal and access, what it does.

macro_rules! attacks {
    ($($name:ident, $id:literal, $goal:ident, $access:ident, $does:literal, $run:expr;)+) => {$(
        #[doc = $does]
        pub struct $name($crate::options::Options);

        impl eidetic_sdk::AttackPlugin for $name {
            const ID: &'static str = $id;
            const SUMMARY: &'static str = $does;
            const GOAL: eidetic_sdk::Goal = eidetic_sdk::Goal::$goal;
            const ACCESS: eidetic_sdk::Access = eidetic_sdk::Access::$access;
            type Options = $crate::options::Options;

            fn make(options: Self::Options) -> eidetic_sdk::Result<Self> {
                Ok(Self(options))
            }
        }

        impl eidetic_sdk::Attack for $name {
            fn run(
                &self,
                target: &dyn eidetic_sdk::Target,
                context: &dyn eidetic_sdk::Context,
                sink: &dyn eidetic_sdk::Sink,
            ) -> eidetic_sdk::Result<()> {
                let run: fn(&$crate::options::Run<'_>) -> eidetic_sdk::Result<()> = $run;
                run(&$crate::options::Run { options: &self.0, target, context, sink })
            }
        }
    )+};
}

pub(crate) use attacks;
